"""From a run to its day, and from a day to the names of its files and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

PARTITION_KEY = "dt"
PARTITION_PREFIX = f"{PARTITION_KEY}="
RECEIPTS = "_receipts"
REJECTED = "_rejected"
ERASED = "_erased.jsonl"

_UNDATED = "__HIVE_DEFAULT_PARTITION__"

_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What Airflow says of a run, the most deliberate first; a run may lack any of them.
_INSTANTS_OF_A_RUN = ("partition_date", "data_interval_end", "logical_date", "run_after")


def resolve_snapshot_date(
    argument: str | date | None, run: Mapping[str, Any], zone: tzinfo
) -> tuple[date, str]:
    """Give the day that a run lands, and the name of what decided it.

    :param argument: the operator's ``snapshot_date``, which wins
    :param run: what Airflow says of the run: ``partition_key``, ``partition_date``,
        ``data_interval_end``, ``logical_date``, ``run_after``, each absent or None where the run
        has none
    :param zone: the zone in which an instant becomes a day
    :raises ValueError: the argument is no ISO date, or the run has no date of any kind
    """
    if argument is not None:
        return _iso_date(argument), "the argument snapshot_date"
    day_of_partition = _leading_date(run.get("partition_key"))
    if day_of_partition is not None:
        return day_of_partition, "the run's partition_key"
    for name in _INSTANTS_OF_A_RUN:
        if (instant := run.get(name)) is None:
            continue
        # A partition's date is a midnight; that of another zone is given in UTC, at another hour.
        as_written = name == "partition_date" and instant.time() == time()
        return instant.date() if as_written else day_of(instant, zone), f"the run's {name}"
    raise ValueError("snapshot_date: the run has no date; give one as YYYY-MM-DD")


def day_of(instant: datetime, zone: tzinfo) -> date:
    """Give the calendar day of an instant in a zone."""
    return instant.astimezone(zone).date()


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """Give the instant, in UTC, at which a day is over in a zone."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return midnight.astimezone(timezone.utc)


def partition_file(day: date | None) -> str:
    """Name the file of a day's partition: ``dt=2026-11-22/part-00000.parquet``.

    None names the partition of undated rows, as Hive does.
    """
    return f"{_partition(day)}/part-00000.parquet"


def receipt_file(day: date) -> str:
    """Name the receipt of a day: ``_receipts/dt=2026-11-22.json``."""
    return f"{RECEIPTS}/{_partition(day)}.json"


def rejected_file(day: date) -> str:
    """Name the file of a day's quarantined records: ``_rejected/dt=2026-11-22.jsonl``."""
    return f"{REJECTED}/{_partition(day)}.jsonl"


def is_partition_file(name: str) -> bool:
    """Say whether ``partition_file`` has given this name."""
    return name == partition_file(day_in_name(name))


def day_in_name(name: str) -> date | None:
    """Read the day back from any of these names; None for another name."""
    found = re.search(rf"(?:^|/){PARTITION_KEY}=({_ISO_DATE.pattern})(?=[./]|$)", name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _partition(day: date | None) -> str:
    return f"{PARTITION_PREFIX}{day.isoformat() if day else _UNDATED}"


def _leading_date(key: str | None) -> date | None:
    found = _ISO_DATE.match(key or "")
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def _iso_date(value: str | date) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and _ISO_DATE.fullmatch(value.strip()):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass
    raise ValueError(f"snapshot_date: expected a date as YYYY-MM-DD, got {value!r}")
