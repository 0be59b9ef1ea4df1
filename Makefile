# The few commands that people type. `make demo` and `make test` need Python, git and make, no more.
# Each line of Airflow, each Python and the lowest dependencies have their own environment:
# `make test AIRFLOW=2.11`, `make test PYTHON=python3.12`, `make test AIRFLOW=lowest`.

VERSIONS := 3.3 3.1 2.11 lowest
AIRFLOW ?= 3.3
PYTHON ?= python3
FUZZ_SECONDS ?= 180
LANDINGS ?= 1000
SEED ?= 1

VENV := .venv-airflow-$(AIRFLOW)$(filter-out -python3,-$(notdir $(PYTHON)))
CONSTRAINTS := constraints/airflow-$(AIRFLOW).txt
RUN := $(VENV)/bin/python

unexport PYTHONDONTWRITEBYTECODE  # Airflow starts twice as fast with bytecode

.PHONY: help demo test test-versions $(VERSIONS:%=test-%) test-engines test-stores test-ui test-distributed crash secrecy fuzz soak check format wheel bench plots constraints clean

help:  ## show these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/ready  ## land two days of a suppression list and their changes with a real Airflow, and look
	@$(RUN) -m demo.run

test: $(VENV)/ready  ## run all tests
	$(RUN) -m pytest --numprocesses auto --dist worksteal --ignore tests/project/test_speed.py
	$(RUN) -m pytest tests/project/test_speed.py  # which wants the cores for itself

test-versions: $(VERSIONS:%=test-%)  ## run them on each line of Airflow, and with the lowest dependencies

$(VERSIONS:%=test-%):
	$(MAKE) test AIRFLOW=$(@:test-%=%)

test-engines: $(VENV)/ready  ## read and load what was landed with many engines; needs Java and PostgreSQL
	@command -v java > /dev/null || { echo 'Needs Java: apt-get install default-jre-headless'; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null \
	  || { echo 'Needs PostgreSQL: apt-get install postgresql'; exit 1; }
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group engines
	$(RUN) -m pytest -m engine

test-stores: $(VENV)/ready .stores/ready  ## use emulators of Azure Blob Storage and Google Cloud Storage; needs Node.js
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) \
	  --group stores --editable '.[s3,azure,gcs]'
	$(RUN) -m pytest -m store

# Azurite is Microsoft's emulator. s3rver is a second server for S3, which ignores conditions.
.stores/ready: Makefile
	@command -v npm > /dev/null || { echo 'Needs Node.js: apt-get install npm'; exit 1; }
	npm install --silent --no-save --no-audit --no-fund --prefix .stores azurite@3.35.0 s3rver@3.7.1
	touch $@

test-ui: $(VENV)/ready  ## use Airflow's pages in a browser, and keep pictures in .ui; needs Chromium
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group ui
	$(RUN) -m pytest -m ui

test-distributed: $(VENV)/ready  ## land with Celery workers, of which one is killed; needs Redis and PostgreSQL
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group distributed
	$(RUN) -m pytest -m distributed tests/campaigns/distributed

crash: $(VENV)/ready  ## kill a landing at each of its steps, and have two of them race at each
	$(RUN) -m pytest tests/campaigns/crash -m 'crash or not crash'

secrecy: $(VENV)/ready  ## let everything fail, and search for the key and for addresses
	$(RUN) -m pytest -m 'secrecy or not secrecy' tests/campaigns/secrecy

soak: $(VENV)/ready  ## land a thousand days while things go wrong, and count what is lost
	$(RUN) -m tests.campaigns.soak --landings $(LANDINGS) --seed $(SEED)

fuzz: $(VENV)/ready  ## look for an answer that is decoded or landed wrong, for FUZZ_SECONDS
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group fuzz
	$(RUN) -m tests.campaigns.fuzz $(FUZZ_SECONDS)

check: $(VENV)/ready  ## lint, format, types, and the files that GitHub reads
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

SCHEMA = $(VENV)/bin/check-jsonschema --builtin-schema

format: $(VENV)/ready  ## format the code, and correct what the linter can correct
	$(VENV)/bin/ruff check --fix --exit-zero
	$(VENV)/bin/ruff format

wheel: $(VENV)/ready  ## build the source distribution and the wheel into dist/, and check both
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group wheel
	rm -rf dist
	$(VENV)/bin/uv build --quiet --out-dir dist  # the wheel from the source distribution
	$(VENV)/bin/twine check --strict dist/*
	$(VENV)/bin/uv venv --quiet --clear --python $(RUN) .venv-wheel
	$(VENV)/bin/uv pip install --quiet --python .venv-wheel/bin/python --constraint $(CONSTRAINTS) dist/*.whl
	$(WHEEL) .ci/public_names.py
	$(WHEEL) -m mailpartner_provider --help > /dev/null
	$(WHEEL) -m mailpartner_provider.testing --help > /dev/null
	rm -rf .venv-wheel

# -I: import nothing from this checkout.
WHEEL = AIRFLOW_HOME=$(CURDIR)/.venv-wheel/airflow .venv-wheel/bin/python -I

bench: $(VENV)/ready  ## time a landing beside the other ways, and write benchmarks/RESULTS.md
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) --group bench
	$(RUN) -m benchmarks.run --write

plots: $(VENV)/ready  ## draw the plots of docs/analytics.md again
	@$(RUN) -m tests.campaigns.docs

constraints: .venv-uv/bin/uv  ## pin the newest versions that go together on each line of Airflow, and the lowest
	$(MAKE) $(VERSIONS:%=constraints/airflow-%.txt) --always-make

COMPILE := .venv-uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 \
  --no-annotate --custom-compile-command 'make constraints' pyproject.toml

constraints/airflow-3.3.txt: AIRFLOW_VERSION := 3.3.2
constraints/airflow-3.1.txt: AIRFLOW_VERSION := 3.1.8
constraints/airflow-2.11.txt: AIRFLOW_VERSION := 2.11.2
constraints/airflow-%.txt:
	echo 'apache-airflow==$(AIRFLOW_VERSION)' | $(COMPILE) \
	  --extra s3 --extra azure --extra gcs --group test --group check --group bench --group engines \
	  --group fuzz --group ui --group distributed --group stores --group wheel \
	  --constraint /dev/stdin --output-file $@

# What pyproject.toml allows at least, with all else as it was in those days; but for aiohttp, and
# the yarl that it needs: before 3.14.4 it hangs when a connection is lost during an upload.
constraints/airflow-lowest.txt: COMPILE += --extra s3 --extra azure --extra gcs --extra changes \
  --exclude-newer 2026-01-25 --exclude-newer-package duckdb=2026-04-01 \
  --exclude-newer-package aiohttp=2026-11-10 --exclude-newer-package yarl=2026-11-10
constraints/airflow-lowest.txt:
	$(COMPILE) --resolution lowest-direct | $(COMPILE) --group test --group check --group wheel \
	  --constraint /dev/stdin --output-file $@

$(VENV)/ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) \
	  --group test --group check --editable '.[s3]'
	touch $@

.venv-uv/bin/uv:
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/pip install --quiet uv

clean:  ## remove everything that these commands made
	rm -rf .venv-* .bench .demo .fuzz .stores .ui dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
