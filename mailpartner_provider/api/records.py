"""The exact conversion of one raw record to one typed row."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.exact_json import ExactNumber, parse_integer, to_json, utf8_text

FIELDS = frozenset({"id", "email", "createdAt"})

_DIGITS = re.compile(r"(-?)0*(0|[1-9][0-9]*)")
_INT64 = range(-(2**63), 2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_OFFSET = re.compile(r"Z|[+-][0-9]{2}(?::?[0-9]{2})?")
_CLOCK_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]((?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    rf" ?({_OFFSET.pattern})?"
)


class Unsubscribe(NamedTuple):
    """One typed row; ``created_at`` in microseconds since 1970 UTC."""

    id: int
    email: str
    created_at: int | None
    extra_fields: str | None


class Rejected(NamedTuple):
    """A raw record that cannot become a row, and the reason, without personal data."""

    reason: str
    record: Any


def read_record(raw: Any, zone: ZoneInfo) -> Unsubscribe | Rejected:
    """Return one raw record as a typed row; what the columns cannot hold goes to ``extra_fields``.

    :param zone: the zone of a ``createdAt`` that names none
    """
    if not isinstance(raw, dict):
        return Rejected("record is not an object", raw)
    identifier = read_identifier(raw.get("id"))
    if isinstance(identifier, str):
        return Rejected(f"id {identifier}", raw)
    email = raw.get("email")
    if not isinstance(email, str) or isinstance(email, ExactNumber):
        return Rejected("email is missing" if email is None else "email is not text", raw)
    if not email.strip():
        return Rejected("email is blank", raw)

    extra = _unknown_fields(raw)
    text = utf8_text(email)
    if text != email:
        extra["email"] = email
    created_at, exact = _instant(raw.get("createdAt"), zone)
    if not exact:
        extra["createdAt"] = raw["createdAt"]
    return Unsubscribe(identifier, text, created_at, to_json(extra) if extra else None)


def extra_fields_of(raw: dict[str, Any]) -> str | None:
    """Return the unknown fields as JSON, or None if there are none."""
    extra = _unknown_fields(raw)
    return to_json(extra) if extra else None


def read_identifier(value: Any) -> int | str:
    """Return the id as an integer, or a phrase that says what is wrong with it."""
    if value is None:
        return "is missing"
    if isinstance(value, str) and (digits := _DIGITS.fullmatch(value)):
        value = parse_integer("".join(digits.groups()))
        if isinstance(value, str):
            return "does not fit 64 bits"
    if isinstance(value, bool) or not isinstance(value, int):
        return "is not an integer"
    return value if value in _INT64 else "does not fit 64 bits"


def _unknown_fields(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in FIELDS}


def _instant(value: Any, zone: ZoneInfo) -> tuple[int | None, bool]:
    """Parse ``createdAt``; return microseconds, and whether they hold all of it."""
    if value is None:
        return None, True
    if isinstance(value, dict):
        return _dumped_instant(value)
    found = _CLOCK_TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None, False
    day, clock, fraction, offset = found.groups()
    fraction = fraction or ""
    try:
        local = datetime.fromisoformat(f"{day}T{clock}.{fraction[:6]:<06}")
        local = local.replace(tzinfo=_offset(offset) if offset else zone)
        since_epoch = local.astimezone(timezone.utc) - _EPOCH
    except (ValueError, OverflowError):
        return None, False
    return since_epoch // _MICROSECOND, not fraction[6:].strip("0")


def _dumped_instant(value: dict[str, Any]) -> tuple[int | None, bool]:
    """Parse the dump of a PHP ``DateTime``: clock time and zone, each as text."""
    date, name = value.get("date"), value.get("timezone")
    if not isinstance(date, str) or not isinstance(name, str):
        return None, False
    try:
        if _OFFSET.fullmatch(name):
            created_at, exact = _instant(date + name, ZoneInfo("UTC"))
        else:
            created_at, exact = _instant(date, ZoneInfo(name))
    except (KeyError, ValueError, OSError, RecursionError):
        return None, False  # what ZoneInfo raises for an unknown zone
    return created_at, exact and value.keys() <= {"date", "timezone", "timezone_type"}


def _offset(text: str) -> timezone:
    if text == "Z":
        return timezone.utc
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if minutes > 59:
        raise ValueError("an offset has at most 59 minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
