"""The contract once more, to hold the decoder against.

``plain_row`` is written for reading and not for speed, and shares nothing with the decoder.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from tests.support.strategies import SPACES, Verbatim


class Pairs(list):
    """An object as it was read, pair by pair."""


def read_plainly(text: str):
    """Read JSON, numbers exactly, objects pair by pair."""

    def number(text):
        try:
            return Decimal(text)
        except InvalidOperation:  # the exponent has too many digits
            return Verbatim(text)

    def refuse(name):
        raise ValueError(name)

    return json.loads(
        text,
        object_pairs_hook=Pairs,
        parse_int=integer,
        parse_float=number,
        parse_constant=refuse,
    )


def integer(text: str) -> int:
    """Read digits, of which ``int`` would refuse more than a few thousand."""
    return int(Decimal(text))


def plain(value):
    """Turn pairs into dicts, of which the last of a name wins."""
    if isinstance(value, Pairs):
        return {name: plain(member) for name, member in value}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def plain_row(raw, zone):
    """Type a record as the contract says; None when it cannot be a row."""
    if not isinstance(raw, dict):
        return None
    identifier, email, created = raw.get("id"), raw.get("email"), raw.get("createdAt")
    if isinstance(identifier, str) and re.fullmatch("-?[0-9]+", identifier):
        identifier = integer(identifier)
    if type(identifier) is not int or not -(2**63) <= identifier < 2**63:
        return None
    if not isinstance(email, str) or all(character in SPACES for character in email):
        return None
    extra = {name: value for name, value in raw.items() if name not in ("id", "email", "createdAt")}
    text = "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in email)
    if text != email:
        extra["email"] = email
    instant, whole = plain_instant(created, zone)
    if not whole:
        extra["createdAt"] = created
    return identifier, text, instant, extra or None


def plain_instant(created, zone):
    """Read ``createdAt``: the instant if there is one, and whether that is all it said."""
    if created is None:
        return None, True
    if isinstance(created, dict):
        date, name = created.get("date"), created.get("timezone")
        if not isinstance(date, str) or not isinstance(name, str):
            return None, False
        if offset_of(name) is not None:
            instant, whole = plain_instant(date + name, zone)
        else:
            try:
                instant, whole = plain_instant(date, ZoneInfo(name))
            except Exception:
                return None, False
        return instant, whole and not created.keys() - {"date", "timezone", "timezone_type"}
    if not isinstance(created, str):
        return None, False
    shape = re.sub("[0-9]", "9", created[:19])
    if shape not in ("9999-99-99 99:99:99", "9999-99-99T99:99:99"):
        return None, False
    fraction, offset = re.fullmatch(r"((?:\.[0-9]+)?) ?(.*)", created[19:], re.DOTALL).groups()
    zone = offset_of(offset) if offset else zone
    if zone is None:
        return None, False
    try:
        clock = datetime(*map(int, re.findall("[0-9]+", created[:19])), tzinfo=zone)
        instant = clock.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None, False
    instant += timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
    return instant, not fraction[7:].strip("0")


def offset_of(text):
    """Read ``Z`` or ``+02:00`` as a zone; None for anything else."""
    shape = re.sub("[0-9]", "9", text)
    if shape == "Z":
        return timezone.utc
    if shape not in ("+99", "-99", "+9999", "-9999", "+99:99", "-99:99"):
        return None
    hours, minutes = int(text[1:3]), int(text[-2:]) if len(text) > 3 else 0
    if hours > 23 or minutes > 59:
        return None
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if text[0] == "-" else distance)


def alike(expected, found):
    """Return whether two readings agree; a number that floats cannot hold may be its text."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(expected) == list(found) and all(alike(expected[n], found[n]) for n in found)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(alike, expected, found))
    if isinstance(expected, Verbatim):
        return expected.text == found
    if isinstance(expected, (int, Decimal)) and isinstance(found, str):
        return expected == Decimal(found)
    return expected == found and isinstance(expected, bool) == isinstance(found, bool)


def same_row(expected, identifier, email, created_at, extra_fields):
    """Return whether a typed row is the one that the contract expects."""
    extra = extra_fields and plain(read_plainly(extra_fields))
    return expected[:3] == (identifier, email, created_at) and alike(expected[3], extra)
