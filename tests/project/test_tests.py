"""The rules that the tests themselves keep."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import PROJECT

MODULES = sorted(str(path.relative_to(PROJECT)) for path in PROJECT.glob("tests/**/*.py"))

#: Where the functions are whose result depends on the day on which they are called.
OF_A_DAY = {"tests.support.days", "tests.support.lake"}


def parse(module: str) -> ast.Module:
    return ast.parse(Path(PROJECT, module).read_text())


def called_at_import(node: ast.AST) -> Iterator[str]:
    """Yield the names of functions that are called when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name):
            yield child.func.id
        if isinstance(child, (ast.FunctionDef, ast.Lambda)):
            defaults = [*child.args.defaults, *filter(None, child.args.kw_defaults)]
            decorators = getattr(child, "decorator_list", [])
            child = ast.Module([ast.Expr(each) for each in [*defaults, *decorators]], [])
        yield from called_at_import(child)


@pytest.mark.parametrize("module", MODULES)
def test_imports(module):
    """No module imports a test module or a conftest: what several need is in tests/support."""
    names = [
        name
        for node in ast.walk(parse(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests")
        for name in [*node.module.split("."), *(alias.name for alias in node.names)]
    ]

    assert not [name for name in names if name.startswith("test_") or name == "conftest"]


@pytest.mark.parametrize("module", MODULES)
def test_days(module):
    """No day is settled when a module is imported: a run of the tests may pass midnight."""
    tree = parse(module)
    of_a_day = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in OF_A_DAY
        for alias in node.names
    }

    assert not of_a_day & set(called_at_import(tree))


def test_unit():
    """The unit tests need no Airflow: they are collected where it is not installed."""
    script = """
import sys
import pytest
sys.modules.update(airflow=None)
sys.exit(pytest.main(["--collect-only", "--quiet", "tests/unit"]))
"""
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True, capture_output=True)
