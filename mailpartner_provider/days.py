"""Calendar days: the day of a run, the day of an instant, and instants as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

#: The members of Airflow's context that give a run its day, in this order; any may be absent.
RUN_INSTANTS = ("partition_date", "data_interval_end", "logical_date", "run_after")

_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_INSTANT = re.compile(f"{_ISO_DATE.pattern}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}")


def resolve_snapshot_date(
    argument: str | date | None, run: Mapping[str, Any], zone: tzinfo
) -> tuple[date, str]:
    """Return the day that a run lands, and the name of the value that it comes from.

    :param argument: the operator's ``snapshot_date``, which wins
    :param run: ``partition_key`` and ``RUN_INSTANTS`` of the run, each absent or None where the run
        has none
    :param zone: the zone in which an instant becomes a day
    :raises ValueError: the argument is no ISO date, or the run has no date of any kind
    """
    if argument is not None:
        return _iso_date(argument), "the argument snapshot_date"
    day_of_partition = _leading_date(run.get("partition_key"))
    if day_of_partition is not None:
        return day_of_partition, "the run's partition_key"
    for name in RUN_INSTANTS:
        if (instant := run.get(name)) is None:
            continue
        # A partition's date is a midnight. Airflow converts the midnight of another zone to UTC.
        as_written = name == "partition_date" and instant.time() == time()
        return instant.date() if as_written else day_of(instant, zone), f"the run's {name}"
    raise ValueError("snapshot_date: this run has no date of its own; pass one as YYYY-MM-DD")


def parse_partition_key(key: str | None, zone: tzinfo | None) -> datetime | None:
    """Parse a partition key of Airflow 3.2, an instant in UTC unless its format was changed.

    :param zone: the zone in which the instant is returned; None: UTC
    """
    if not _ISO_INSTANT.fullmatch(key or ""):
        return None
    try:
        return datetime.fromisoformat(f"{key}+00:00").astimezone(zone or timezone.utc)
    except (ValueError, OverflowError):
        return None


def day_of(instant: datetime, zone: tzinfo) -> date:
    """Return the calendar day of an instant in a zone."""
    return instant.astimezone(zone).date()


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """Return the instant, in UTC, at which a day ends in a zone."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return midnight.astimezone(timezone.utc)


def iso_utc(instant: datetime) -> str:
    """Return an instant as in receipts: with a fixed width, so that instants sort as text."""
    utc = instant.astimezone(timezone.utc).isoformat(timespec="microseconds")
    return utc.replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Parse an instant of a receipt.

    :raises ValueError: it is no instant, or names no offset from UTC
    """
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if instant.tzinfo is None:
        raise ValueError("an instant names its offset from UTC")
    return instant


def _leading_date(key: str | None) -> date | None:
    found = _ISO_DATE.match(key or "")
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def _iso_date(value: str | date) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = value.strip() if isinstance(value, str) else None
    if text in ("", "None"):
        raise ValueError(
            f"snapshot_date: got no date ({value!r}): remove it to land the run's own day "
            "({{ ds }} is empty in a run without a logical date, and may be the day before in one "
            "with an interval)"
        )
    with suppress(ValueError):
        if text and _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
    raise ValueError(f"snapshot_date: expected a date as YYYY-MM-DD, got {value!r}")
