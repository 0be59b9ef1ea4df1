"""Strict JSON that loses nothing: numbers that ``int`` and ``float`` would change stay text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

#: The deepest nesting that is read: far below where any version of Python gives up.
MAX_NESTING = 200

_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make one each time
_SURROGATE = re.compile("[\ud800-\udfff]")


class ExactNumber(str):
    """A JSON number that ``int`` or ``float`` would change or refuse, as its original text."""


def parse_json(text: str) -> Any:
    """Parse JSON strictly; a number that ``float`` would change becomes an ``ExactNumber``.

    :raises ValueError: the text is not JSON (``NaN`` and ``Infinity`` are not)
    :raises RecursionError: it is nested more than ``MAX_NESTING`` deep
    """
    value = json.loads(
        text, parse_int=parse_integer, parse_float=_parse_fraction, parse_constant=_reject_constant
    )
    if text.count("[") + text.count("{") > MAX_NESTING and _is_deep(value):
        raise RecursionError(f"nested more than {MAX_NESTING} deep")
    return value


def to_json(value: Any) -> str:
    """Return a value as compact JSON in ASCII, as ``extra_fields`` holds it."""
    return _encode(value)


def containers(value: Any) -> Iterator[dict[str, Any] | list[Any]]:
    """Iterate over the objects and arrays in a JSON value, without recursion, outermost first.

    The caller may change a container before it asks for the next one.
    """
    pending = [value]
    while pending:
        container = pending.pop()
        if isinstance(container, dict):
            yield container
            pending += container.values()
        elif isinstance(container, list):
            yield container
            pending += container


def texts(value: Any) -> Iterator[str]:
    """Iterate over all texts in a JSON value, member names included."""
    for container in containers([value]):
        members = [*container, *container.values()] if isinstance(container, dict) else container
        yield from (member for member in members if isinstance(member, str))


def utf8_text(text: str) -> str:
    """Replace unpaired surrogates, which JSON can carry and UTF-8 cannot, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def parse_integer(text: str) -> int | ExactNumber:
    """Parse digits with an optional minus; more than Python converts stay text."""
    return int(text) if len(text) < 1000 else ExactNumber(text)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_NESTING):
        members = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for some in members for each in some if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _parse_fraction(text: str) -> float | ExactNumber:
    value = float(text)
    try:
        return value if Decimal(text) == Decimal(repr(value)) else ExactNumber(text)
    except ArithmeticError:  # an exponent that even Decimal refuses
        return ExactNumber(text)


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
