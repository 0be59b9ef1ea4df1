"""Zoe, who is erased, and what must be left of her then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timezone
from typing import Any

import pyarrow.parquet as pq

from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.privacy.erasure import Report, erase
from tests.support.api import THREE
from tests.support.lake import Lake

ZOE = "Zoe@Example.com"
TOKEN = hashlib.sha256(b"zoe@example.com").hexdigest()
NAMED = f"sha256:{TOKEN}"
KEY = "clé secrète"
#: What is typed to erase Zoe and Anne.
PEOPLE = f"{ZOE}\n\n  anne@example.com \n".encode()
NOW = datetime(2026, 11, 24, 6, 30, tzinfo=timezone.utc)
NINE = [*THREE, {"id": 9, "email": ZOE, "createdAt": "2020-02-02 02:02:02", "name": "Zoe"}]


def erased(destination: Lake | LocalFolder, *emails: str, key: str | None = None) -> list[Any]:
    """Erase Zoe, or others; return what was replaced."""
    return report_of(destination, *emails, keys=[key] if key else []).files


def report_of(
    destination: Lake | LocalFolder, *emails: str, keys: Sequence[str] = (), dry_run: bool = False
) -> Report:
    """Erase Zoe, or others; return the report."""
    if isinstance(destination, Lake):
        destination = LocalFolder(destination.folder)
    people, encoded = emails or [" zoe@EXAMPLE.com"], [key.encode() for key in keys]
    return erase(destination, people, encoded, NOW, dry_run=dry_run)


def emails(lake: Lake, day: date | None = None) -> dict[int, str]:
    """Read the addresses of a day, by id."""
    return {row["id"]: row["email"] for row in lake.rows(day)}


def assert_receipts(lake: Lake, *days: date) -> None:
    """The receipts of days are those of their files."""
    for day in days:
        content, receipt = lake.partition(day).read_bytes(), lake.receipt(day)
        assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
        assert len(content) == receipt["bytes"]
        assert "next_sha256" not in receipt


def assert_gone(lake: Lake) -> None:
    """Nothing in any file names Zoe, within Parquet or without."""
    for name, content in lake.files().items():
        if name.endswith(".parquet"):
            content = json.dumps(
                pq.read_table(lake / name, partitioning=None).to_pylist(), default=str
            ).encode()
        assert b"zoe" not in content.lower(), name
