"""The style of the code, where a test can see it: short files, plain docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MAX_LINES = 250

#: First words of a docstring that do not say what a function does, as Return or Write does.
VAGUE = {"give", "have", "lend", "let", "say", "tell"}


def files(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[str]:
    """List the files in folders of the project."""
    return sorted(
        str(path.relative_to(PROJECT))
        for folder in folders
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in suffixes
    )


def docstrings(path: str) -> list[str]:
    """Return the docstrings of a file: its own, and those of its classes and functions."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = ast.walk(ast.parse((PROJECT / path).read_text()))
    found = [ast.get_docstring(node) for node in nodes if isinstance(node, documented)]
    return [text for text in found if text]


@pytest.mark.parametrize("path", files("mailpartner_provider", suffixes=(".py", ".html")))
def test_length(path):
    """A file of the package has at most 250 lines."""
    assert len((PROJECT / path).read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    "path",
    files("mailpartner_provider", "tests", "demo", "benchmarks", "dags_examples", "docs", ".ci"),
)
def test_docstrings(path):
    """No docstring begins with Give, Say, Tell, Have, Lend or Let."""
    vague = [text for text in docstrings(path) if text.split()[0].strip(",.:;").lower() in VAGUE]

    assert not vague
