"""What is public: exactly what ``public_names.py`` imports, and it works."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import mailpartner_provider
from tests.project import public_names

ROOT = mailpartner_provider.__name__
PACKAGE = Path(mailpartner_provider.__file__).parent

#: Modules of which the classes are public.
CLASSES = (
    "errors",
    "hooks.mailpartner",
    "operators.confirm_pushes",
    "operators.delete_unsubscribes",
    "operators.links",
    "operators.push_unsubscribes",
    "operators.unsubscribe_changes",
    "operators.unsubscribe_to_iceberg",
    "operators.unsubscribe_to_parquet",
    "operators.unsubscribe_to_sql",
)
#: Modules of which everything is public that has no underscore.
EVERYTHING = (
    "testing.answers",
    "testing.faults",
    "testing.limits",
    "testing.lists",
    "testing.plugin",
    "testing.server",
)
#: Single names.
NAMES = ("get_provider_info.get_provider_info",)


def defined(module: str, *, classes_only: bool) -> set[str]:
    """Return the names that a module defines at its top, without those with an underscore."""
    names = set()
    for node in ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text()).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif classes_only:
            continue
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {f"{module}.{name}" for name in names if not name.startswith("_")}


def test_names():
    """The list of public names has every public name, and no other."""
    imports = [
        node
        for node in ast.walk(ast.parse(Path(public_names.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == ROOT
    ]
    listed = {
        f"{node.module}.{alias.name}".removeprefix(f"{ROOT}.")
        for node in imports
        for alias in node.names
    }
    public = set(NAMES)
    for module in CLASSES:
        public |= defined(module, classes_only=True)
    for module in EVERYTHING:
        public |= defined(module, classes_only=False)

    assert public == listed


def test_modules_of_testing():
    """No module of the stand-in is internal."""
    modules = {
        f"testing.{path.stem}"
        for path in PACKAGE.glob("testing/*.py")
        if not path.stem.startswith("__")
    }

    assert set(EVERYTHING) == modules


def test_commands():
    """The list has every module that `python -m` runs."""
    paths = [path.parent.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("__main__.py")]

    assert set(public_names.COMMANDS) == {".".join(path.parts) for path in paths}


@pytest.mark.parametrize("command", public_names.COMMANDS)
def test_help(command):
    """A command shows its help, which names the command."""
    shown = subprocess.run(
        [sys.executable, "-m", command, "--help"], check=True, capture_output=True, text=True
    ).stdout

    assert f"python -m {command} " in shown


@pytest.mark.parametrize(
    "make",
    [
        public_names.make_landing,
        public_names.make_changes,
        public_names.make_push,
        public_names.make_confirmation,
        public_names.make_deletion,
        public_names.make_load,
    ],
)
def test_operators(make):
    """An operator takes each of its public arguments."""
    assert make()


def test_hook(monkeypatch):
    """The hook's public methods read the list of a stand-in that is made of public names."""
    with public_names.make_stand_in() as api:
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)

        assert (3, 3) == public_names.call(public_names.make_hook())
        assert ("added", True) == public_names.change(public_names.make_hook())


def test_errors():
    """Each error is caught as the base class, and carries the public fields."""
    error = public_names.WrongArgument("no such day", day=date(2026, 11, 1))

    assert public_names.WrongArgument == public_names.catch(error)


def test_fixture(mailpartner_api):
    """pytest finds the public fixture, which is a stand-in."""
    assert isinstance(mailpartner_api, public_names.StandIn)
    assert public_names.fixture()
