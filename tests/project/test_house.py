"""The rooms of the house: who may know what, and what is loaded when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mailpartner_provider

PACKAGE = Path(mailpartner_provider.__file__).parent
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
PURE = [
    "errors",
    "masking",
    "api.blocks",
    "api.columns",
    "api.credits",
    "api.envelope",
    "api.records",
    "api.stream",
    "lake.names",
    "lake.receipts",
    "privacy.erasure_list",
    "privacy.hashing",
    "ui.overview",
    "ui.page",
]


DISK = {
    "lake/local.py",
    "lake/locks.py",
    "lake/objects.py",
    "lake/scratch.py",
    "snapshots/staging.py",
}


def imported(module: str) -> set[str]:
    """List the packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_airflow(module):
    """Airflow is known only to hooks, operators, its plugin and compat."""
    if not module.startswith(("hooks/", "operators/")) and module not in (
        "compat.py",
        "ui/plugin.py",
    ):
        assert "airflow" not in imported(module)


@pytest.mark.parametrize("module", MODULES)
def test_network(module):
    """The network is known only to the hooks, and to the stand-in."""
    if not module.startswith(("hooks/", "testing/")):
        assert not imported(module) & {"requests", "urllib3", "socket", "http"}


@pytest.mark.parametrize("module", MODULES)
def test_disk(module):
    """Disk and object stores are known only to those who stage and publish."""
    if module not in DISK:
        assert not imported(module) & {"fsspec", "os", "shutil", "tempfile"}


@pytest.mark.parametrize("module", MODULES)
def test_duckdb(module):
    """DuckDB, which only some have installed, is known only to the comparison."""
    if module != "changes/diff.py":
        assert "duckdb" not in imported(module)


def test_pure():
    """Records, stream, partitions and receipts import without Airflow or requests installed."""
    names = [f"mailpartner_provider.{module}" for module in PURE]
    script = f"""
import sys
sys.modules.update(airflow=None, requests=None)
for name in {names}:
    __import__(name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("operator", ["unsubscribe_to_parquet", "unsubscribe_changes"])
def test_parse_time(operator):
    """A DAG file that imports an operator loads nothing heavy."""
    script = f"""
import sys
from airflow.providers.common.compat.sdk import DAG, BaseOperator, AirflowFailException
before = set(sys.modules)
import mailpartner_provider.operators.{operator}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert not loaded & {{"duckdb", "pyarrow", "pandas", "requests", "numpy", "tenacity"}}, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_plugin_is_light():
    """Airflow, which loads plugins in every process, loads nothing heavy with this one."""
    script = """
import sys
from airflow.providers.common.compat.sdk import AirflowPlugin, BaseOperatorLink, XCom, conf
before = set(sys.modules)
import mailpartner_provider.ui.plugin
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not loaded & {"fastapi", "fsspec", "jinja2", "pyarrow", "pandas", "requests"}, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_provider_info_is_light():
    """What Airflow calls in every process needs the standard library only."""
    assert imported("get_provider_info.py") <= {"__future__", "typing"}
