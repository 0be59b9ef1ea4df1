"""Snapshots and changes landed without Airflow, and stopped before one of their steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.changes.landing import land_changes
from mailpartner_provider.changes.pair import ChangesRequest
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.receipts import ChangesReceipt
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.api import listing
from tests.support.days import PARIS
from tests.support.erasing import TOKEN, ZOE
from tests.support.lake import Lake

_landings = count()


class Stopped(BaseException):
    """Ends a task as suddenly as a kill."""


class Stopping(LocalFolder):
    """A folder in which some files can be published or removed before its task ends."""

    def __init__(self, root: Path, steps: int) -> None:
        super().__init__(root)
        self._left = steps

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        self._step()
        return super().publish(file, name, expected)

    def remove(self, files: Mapping[str, str]) -> None:
        self._step()
        super().remove(files)

    def _step(self) -> None:
        if self._left == 0:
            raise Stopped
        self._left -= 1


def land_list(
    folder: LocalFolder, day: date, people: dict[int, str], keep_days: int | None = None
) -> None:
    """Land a list on its own day, each later than the one before.

    :param people: addresses by id
    """
    records = [{"id": key, "email": email} for key, email in people.items()]
    began = datetime.combine(day, time(6), PARIS) + timedelta(seconds=next(_landings))
    request = SnapshotRequest(day, PARIS, folder, Limits(max_shrink=None), keep_days=keep_days)
    body = json.dumps(listing(records)).encode()
    land_snapshot(
        request,
        day,
        lambda: UnsubscribeStream([body], PARIS, observed_at=began),
        lambda _: None,
    )


def tell(source: Lake, feed: Destination, day: date) -> ChangesReceipt:
    """Land the changes of a day, however many were removed."""
    return land_changes(ChangesRequest(day, LocalFolder(source.folder), feed, None), Comparison())


def told(feed: Lake) -> list[tuple[int, str]]:
    """Apply all partitions in order, as README says: remove their ids, insert what is new."""
    records: list[tuple[int, str]] = []
    for partition in sorted(feed.glob("dt=*/*.parquet")):
        rows = feed.rows(date.fromisoformat(partition.parent.name.removeprefix("dt=")))
        ids = {row["id"] for row in rows}
        records = [record for record in records if record[0] not in ids]
        records += [(row["id"], row["email"]) for row in rows if row["change"] != "removed"]
    return sorted(map(_unerased, records))


def listed(lake: Lake, day: date) -> list[tuple[int, str]]:
    """Read the records of a snapshot."""
    return sorted(_unerased((row["id"], row["email"])) for row in lake.rows(day))


def _unerased(record: tuple[int, Any]) -> tuple[int, str]:
    """Return a record as if Zoe had not been erased, wherever she has been."""
    key, email = record
    return key, ZOE if email == f"sha256:{TOKEN}" else email
