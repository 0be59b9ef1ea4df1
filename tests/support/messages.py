"""The texts of the package's errors, as they stand in its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mailpartner_provider import errors
from tests.support.project import PROJECT

PACKAGE = PROJECT / "mailpartner_provider"
KINDS = {name for name in vars(errors) if isinstance(getattr(errors, name), type)}
RAISERS = KINDS | {"broken", "_refused"}


def messages() -> set[str]:
    """Return the text of each error, with an ellipsis for each part that varies."""
    return {
        text
        for file in sorted(PACKAGE.rglob("*.py"))
        if "testing" not in file.parts
        for text in _messages(file)
    }


def _messages(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            candidates = node.args if node.func.id in RAISERS else []
        elif isinstance(node, ast.Tuple):
            first = node.elts[0] if node.elts else None
            is_error = isinstance(first, ast.Name) and first.id in KINDS
            candidates = node.elts[1:] if is_error else []
        else:
            continue
        yield from filter(None, map(_text, candidates))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return ""
