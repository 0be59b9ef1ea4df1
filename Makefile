# The commands of this project. `make demo` and `make test` need only Python, git and make.
# Each Airflow version, each Python version and the lowest dependencies have their own environment:
# `make test AIRFLOW=2.11`, `make test PYTHON=3.12`, `make test AIRFLOW=lowest`. Those of a cloud
# have the versions that it pins: `make test AIRFLOW=mwaa-3.2`.

VERSIONS := 3.3 3.2 3.1 3.0 2.11 lowest
CLOUDS := mwaa-3.3 mwaa-3.2 mwaa-3.0 mwaa-2.11
PYTHONS := 3.10 3.12 3.13
AIRFLOW ?= 3.3
PYTHON ?= $(if $(filter mwaa-%,$(AIRFLOW)),3.12,python3)
EVERY ?= 1
FUZZ_SECONDS ?= 180
HYPOTHESIS ?= dev
LANDINGS ?= 1000
SEED ?= 1

INTERPRETER := $(shell .ci/python $(PYTHON))
VENV := .venv-airflow-$(AIRFLOW)$(if $(filter-out python3,$(PYTHON)),-$(shell $(INTERPRETER) -c \
  'import sys; print("python%d.%d" % sys.version_info[:2])'))
CONSTRAINTS := constraints/$(patsubst airflow-mwaa-%,mwaa-%,airflow-$(AIRFLOW)).txt
RUN := $(VENV)/bin/python

unexport PYTHONDONTWRITEBYTECODE  # Airflow starts twice as fast with bytecode

.PHONY: help demo test versions-table test-versions test-quick $(VERSIONS:%=test-%) $(CLOUDS:%=test-%) $(PYTHONS:%=test-python-%) test-engines test-stores test-ui test-scheduler test-distributed crash secrecy fuzz soak check format wheel bench docs plots screenshots constraints clean

help:  ## show these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/ready  ## land two days of a made-up list and their changes with a real Airflow
	@$(RUN) -m demo.run

# The tests of speed run on one version.
test: $(VENV)/ready  ## run all tests but the campaigns; T=tests/unit/api: those of a folder
	$(IN_MEMORY) $(RUN) -m pytest --numprocesses $(WORKERS) --dist worksteal --hypothesis-profile $(HYPOTHESIS) \
	  $(if $(REPORT),--junit-xml $(REPORT) -o junit_suite_name="$$($(RUN) -c '$(INSTALLED)')") \
	  $(or $(T),$(if $(filter-out 3.3,$(AIRFLOW)),--ignore tests/project/test_speed.py))

# One more than there are cores, because tests also wait.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# Temporary files are in memory, if it has room, because disks are slow to write through.
IN_MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "TMPDIR=/dev/shm"}')

INSTALLED := import importlib.metadata as m, platform; print(m.version("apache-airflow"), platform.python_version())

versions-table: $(VENV)/ready  ## write the table of docs/versions.md, from the last runs of each version
	$(RUN) -m tests.project.versions

# Each line of Airflow on one Python, a cloud's versions, and the newest line on every Python.
test-versions: $(VERSIONS:%=test-%) $(CLOUDS:%=test-%) $(PYTHONS:%=test-python-%)  ## run all tests on each version

# All tests on the newest and on the oldest versions; on those that differ most from these, only what
# a version of Airflow, Python, pyarrow or DuckDB can break.
test-quick: test-3.3 test-lowest  ## all tests on the newest and oldest versions, a part of them on others
	$(MAKE) test-3.2 test-3.1 test-3.0 test-2.11 test-mwaa-3.0 test-mwaa-2.11 test-python-3.10 test-python-3.13 T='$(QUICK)'

QUICK := tests/airflow tests/hooks tests/loading/test_loading.py tests/loading/test_telemetry.py \
  tests/landing/changes/test_changes.py tests/unit/changes tests/unit/api/test_blocks.py

$(VERSIONS:%=test-%) $(CLOUDS:%=test-%):
	$(MAKE) test AIRFLOW=$(@:test-%=%) REPORT=.versions/$@.xml

$(PYTHONS:%=test-python-%):
	if .ci/python $(@:test-python-%=%); then $(MAKE) test PYTHON=$(@:test-python-%=%) REPORT=.versions/$@.xml; \
	  else echo 'Skipped: $@'; test -z "$$CI"; fi

test-engines: $(VENV)/ready .venv-dbt/ready .venv-duckdb/ready  ## read and load landed files with many engines; needs Java and PostgreSQL
	@command -v java > /dev/null || { echo 'Needs Java: apt-get install default-jre-headless'; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null \
	  || { echo 'Needs PostgreSQL: apt-get install postgresql'; exit 1; }
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group engines
	$(RUN) -m pytest -m engine

# dbt and Airflow need different versions of the same packages.
.venv-dbt/ready: pyproject.toml constraints/dbt.txt | $(VENV)/ready
	$(VENV)/bin/uv venv --quiet --clear --python $(RUN) .venv-dbt
	$(VENV)/bin/uv pip install --quiet --python .venv-dbt/bin/python --constraint constraints/dbt.txt --group dbt
	touch $@

# DuckDB's extensions have packages for an earlier version of DuckDB.
.venv-duckdb/ready: pyproject.toml | $(VENV)/ready
	$(VENV)/bin/uv venv --quiet --clear --python $(RUN) .venv-duckdb
	$(VENV)/bin/uv pip install --quiet --python .venv-duckdb/bin/python --group duckdb
	touch $@

test-stores: $(VENV)/ready .stores/ready  ## test emulators of Azure and Google Cloud Storage; needs Node.js
	$(INSTALL_STORES)
	$(RUN) -m pytest -m store

INSTALL_STORES = $(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) \
  --group stores --editable '.[s3,azure,gcs]'

# Azurite is Microsoft's emulator. s3rver is a second server for S3, which ignores conditions.
.stores/ready: Makefile
	@command -v npm > /dev/null || { echo 'Needs Node.js: apt-get install npm'; exit 1; }
	npm install --silent --no-save --no-audit --no-fund --prefix .stores azurite@3.35.0 s3rver@3.7.1
	touch $@

test-ui: $(VENV)/ready  ## test Airflow's pages in a browser, and save screenshots in .ui; needs Chromium
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group ui
	$(RUN) -m pytest tests/campaigns/ui

screenshots: test-ui  ## replace the screenshots of the documentation by those of these tests
	cp .ui/connection.png docs/images/connection.png
	cp .ui/page-light.png docs/images/page.png

test-scheduler: $(VENV)/ready  ## land by the scheduler of AIRFLOW's version; needs PostgreSQL
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group scheduler
	$(RUN) -m pytest tests/campaigns/lines

test-distributed: $(VENV)/ready  ## land with Celery workers, one of which is killed; needs Redis and PostgreSQL
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group distributed
	$(RUN) -m pytest tests/campaigns/distributed

# Without .stores/ready, Azure and Google Cloud Storage are left out; the last lines say so.
crash: $(VENV)/ready  ## kill a landing at each of its steps (or every EVERY-th), and let two meet there, in each store
	test ! -e .stores/ready || $(INSTALL_STORES)
	$(RUN) -m pytest tests/campaigns/crash --every $(EVERY)

secrecy: $(VENV)/ready  ## cause every kind of failure, and search for the key and for addresses
	$(RUN) -m pytest tests/campaigns/secrecy

soak: $(VENV)/ready  ## land a thousand days while things go wrong, and count what is lost
	$(RUN) -m pytest tests/campaigns/soak
	$(RUN) -m tests.campaigns.soak --landings $(LANDINGS) --seed $(SEED)

fuzz: $(VENV)/ready  ## search for an answer that is decoded or landed wrong, for FUZZ_SECONDS
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group fuzz
	$(RUN) -m tests.campaigns.fuzz $(FUZZ_SECONDS)

check: $(VENV)/ready  ## check style, format, types, and the files that GitHub reads
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

SCHEMA = $(VENV)/bin/check-jsonschema --builtin-schema

format: $(VENV)/ready  ## format the code, and fix what the linter can fix
	$(VENV)/bin/ruff check --fix --exit-zero
	$(VENV)/bin/ruff format

wheel: $(VENV)/ready  ## build the source distribution and the wheel into dist/, and check both
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group wheel
	rm -rf dist
	$(VENV)/bin/uv build --quiet --out-dir dist  # the wheel is built from the source distribution
	$(VENV)/bin/twine check --strict dist/*
	$(VENV)/bin/uv venv --quiet --clear --python $(RUN) .venv-wheel
	$(VENV)/bin/uv pip install --quiet --python .venv-wheel/bin/python --constraint $(CONSTRAINTS) dist/*.whl
	$(WHEEL) .ci/public_names.py
	rm -rf .venv-wheel

# -I: import nothing from this checkout.
WHEEL = AIRFLOW_HOME=$(CURDIR)/.venv-wheel/airflow .venv-wheel/bin/python -I

bench: $(VENV)/ready  ## compare landings, and measure loads, changes and erasures, into benchmarks/; needs PostgreSQL
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group bench --group engines
	$(RUN) -m benchmarks.run --write
	$(RUN) -m benchmarks.loading > benchmarks/loading.jsonl
	$(RUN) -m benchmarks.changes > benchmarks/changes.json
	$(RUN) -m benchmarks.erased > benchmarks/erased.json
	$(RUN) -m benchmarks.erasing > benchmarks/erasing.jsonl

docs: $(VENV)/ready  ## build the documentation into .docs; a warning is an error
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group docs
	AIRFLOW_HOME=$(CURDIR)/$(VENV)/airflow $(RUN) -m sphinx --quiet --fail-on-warning --keep-going docs .docs

plots: $(VENV)/ready  ## redraw the plots of docs/guides/analytics.md
	@$(RUN) -m tests.project.docs

constraints: .venv-uv/bin/uv  ## pin the newest compatible versions for each Airflow version, and the lowest
	$(MAKE) $(VERSIONS:%=constraints/airflow-%.txt) constraints/dbt.txt --always-make

COMPILE := .venv-uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 \
  --no-annotate --custom-compile-command 'make constraints' pyproject.toml

constraints/airflow-3.3.txt: AIRFLOW_VERSION := 3.3.2
constraints/airflow-3.2.txt: AIRFLOW_VERSION := 3.2.2
constraints/airflow-3.1.txt: AIRFLOW_VERSION := 3.1.8
constraints/airflow-3.0.txt: AIRFLOW_VERSION := 3.0.6
constraints/airflow-2.11.txt: AIRFLOW_VERSION := 2.11.2
constraints/airflow-%.txt:
	echo 'apache-airflow==$(AIRFLOW_VERSION)' | $(COMPILE) \
	  --extra s3 --extra azure --extra gcs --group test --group check --group bench --group engines \
	  --group fuzz --group ui --group distributed --group stores --group wheel --group docs \
	  --constraint /dev/stdin --output-file $@

constraints/dbt.txt:
	$(COMPILE:pyproject.toml=) --group dbt --output-file $@

# These lines do not run with the newest of what they need, so they get it as of that time. That has
# what the tests and `make test-scheduler` need, but not what the other campaigns do.
constraints/airflow-3.2.txt: COMPILE += --exclude-newer 2026-06-20
constraints/airflow-3.0.txt: COMPILE += --exclude-newer 2025-09-01 \
  --exclude-newer-package time-machine=2026-01-25  # before 3, it also moves the monotonic clock
constraints/airflow-3.2.txt constraints/airflow-3.0.txt:
	echo 'apache-airflow==$(AIRFLOW_VERSION)' | $(COMPILE) \
	  --extra s3 --extra azure --extra gcs --extra changes --group test --group check --group wheel --group form \
	  --group scheduler --constraint /dev/stdin --output-file $@

# What Amazon MWAA pins, for the packages that are used here: MWAA is a folder with its constraints,
# images/airflow/ in the repository aws/amazon-mwaa-docker-images. The other packages are the newest.
constraints/mwaa-3.3.txt: AIRFLOW_VERSION := 3.3.1
constraints/mwaa-3.2.txt: AIRFLOW_VERSION := 3.2.1
constraints/mwaa-3.0.txt: AIRFLOW_VERSION := 3.0.6
constraints/mwaa-2.11.txt: AIRFLOW_VERSION := 2.11.0
constraints/mwaa-%.txt:
	{ sed '/^ *#/d; /^time-machine==/d' $(MWAA)/$(AIRFLOW_VERSION)/etc/airflow_constraints.txt; echo; \
	  echo 'apache-airflow==$(AIRFLOW_VERSION)'; } \
	  | .venv-uv/bin/uv pip compile --quiet --upgrade --python-version 3.12 --no-annotate \
	  --custom-compile-command 'make $@, from the constraints of Amazon MWAA' pyproject.toml \
	  --extra s3 --extra azure --extra gcs --extra changes --group test --group form \
	  --constraint /dev/stdin --output-file $@

# The lowest versions that pyproject.toml allows, and the other packages as of that time. The
# exceptions are aiohttp, which before 3.14.4 hangs when an upload loses its connection, and yarl,
# which it needs; check-jsonschema needs an older ruamel-yaml.
constraints/airflow-lowest.txt: COMPILE += --extra s3 --extra azure --extra gcs --extra changes \
  --exclude-newer 2026-01-25 \
  --exclude-newer-package aiohttp=2026-11-10 --exclude-newer-package yarl=2026-11-10
constraints/airflow-lowest.txt:
	echo 'ruamel-yaml<0.19' | $(COMPILE) --constraint /dev/stdin --resolution lowest-direct | $(COMPILE) --group test --group check --group wheel \
	  --constraint /dev/stdin --output-file $@

$(VENV)/ready: pyproject.toml $(CONSTRAINTS)
	test -n '$(INTERPRETER)'  # .ci/python has said which is missing
	$(INTERPRETER) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) \
	  --group test $(if $(filter mwaa-%,$(AIRFLOW)),,--group check) $(if $(filter %3.0,$(AIRFLOW)),--group form) \
	  --editable '.[s3]'
	touch $@

.venv-uv/bin/uv:
	$(INTERPRETER) -m venv .venv-uv
	.venv-uv/bin/pip install --quiet uv

clean:  ## remove everything that these commands created
	rm -rf .venv-* .bench .demo .docs .fuzz .stores .ui .versions dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
