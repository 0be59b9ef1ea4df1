"""The names of the files in a destination, and the days in them."""

from __future__ import annotations

import re
from datetime import date

PARTITION_KEY = "dt"
PARTITION_PREFIX = f"{PARTITION_KEY}="
RECEIPTS = "_receipts"
REJECTED = "_rejected"
PUSHES = "_pushes"
ERASED = "_erased.jsonl"

_UNDATED = "__HIVE_DEFAULT_PARTITION__"
_PUSH_FILE = re.compile(rf"{PUSHES}/{PARTITION_KEY}=[0-9-]{{10}}\.[0-9a-f]{{16}}\.[0-9a-z.]+")
_DAY_IN_NAME = re.compile(rf"(?:^|/){PARTITION_KEY}=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?=[./]|$)")


def partition_file(day: date | None) -> str:
    """Return the name of a day's partition: ``dt=2026-11-22/part-00000.parquet``.

    None stands for the partition of undated rows, which is named as Hive names it.
    """
    return f"{_partition(day)}/part-00000.parquet"


def receipt_file(day: date) -> str:
    """Return the name of a day's receipt: ``_receipts/dt=2026-11-22.json``."""
    return f"{RECEIPTS}/{_partition(day)}.json"


def rejected_file(day: date) -> str:
    """Return the name of a day's quarantine: ``_rejected/dt=2026-11-22.jsonl``."""
    return f"{REJECTED}/{_partition(day)}.jsonl"


def push_file(day: date, batch: str, what: str) -> str:
    """Return the name of a file of a batch: ``_pushes/dt=2026-11-22.<batch>.<what>``."""
    return f"{PUSHES}/{_partition(day)}.{batch}.{what}"


def is_partition_file(name: str) -> bool:
    """Return whether ``partition_file`` has returned this name."""
    return name == partition_file(day_in_name(name))


def is_push_file(name: str) -> bool:
    """Return whether ``push_file`` has returned this name."""
    return _PUSH_FILE.fullmatch(name) is not None


def day_in_name(name: str) -> date | None:
    """Return the day in any of these names; None for another name."""
    found = _DAY_IN_NAME.search(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _partition(day: date | None) -> str:
    return f"{PARTITION_PREFIX}{day.isoformat() if day else _UNDATED}"
