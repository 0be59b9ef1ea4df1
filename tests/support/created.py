"""Landings with ``partition_by="created"``, and the partitions that they leave."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from typing import Any

import pyarrow.parquet as pq

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.lake.layouts import CREATED, INDEX
from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.api import THREE, listing
from tests.support.days import PARIS, today
from tests.support.lake import Lake
from tests.support.landing import land

UNDATED = "__HIVE_DEFAULT_PARTITION__"
FIVE = [
    *THREE,
    {"id": 21, "email": "dora@example.com", "createdAt": "2015-07-20 23:59:59"},
    {"id": 22, "email": "emil@example.com", "createdAt": "2015-07-21 00:00:00"},
]

Records = list[dict[str, Any]]


def land_created(destination: Any, day: date | None = None, **arguments: Any) -> dict[str, Any]:
    """Land the list by day of opt-out, as a task does; return the receipt."""
    return land(destination, day, partition_by="created", **arguments)


def land_list(destination: Destination, records: Records) -> SnapshotReceipt:
    """Land a list by day of opt-out, without Airflow and the network."""
    limits = Limits(max_shrink=None)
    request = SnapshotRequest(today(), PARIS, destination, limits, partition_by=CREATED)
    return land_snapshot(request, today(), lambda: stream_of(records), lambda _: None)


def stream_of(records: Records) -> UnsubscribeStream:
    """Return the stream of a good answer, observed now."""
    body = json.dumps(listing(records)).encode()
    return UnsubscribeStream([body], PARIS, observed_at=datetime.now(timezone.utc))


def partitions(lake: Lake) -> dict[str, list[int]]:
    """Read the ids in every partition, by what follows on ``dt=``."""
    return {
        path.parent.name.partition("=")[2]: pq.read_table(path, partitioning=None)["id"].to_pylist()
        for path in sorted(lake.glob("dt=*/*"))
    }


def declared_digests(lake: Lake) -> dict[str, str]:
    """Read the digests of the files that the index declares."""
    index = json.loads((lake / INDEX).read_text())
    return {name: each if isinstance(each, str) else each["sha256"] for name, each in index.items()}


def by_day(records: Records) -> dict[str, list[int]]:
    """Sort the ids of records by the day that their ``createdAt`` shows."""
    found: dict[str, list[int]] = {}
    for record in records:
        day = record["createdAt"][:10] if record["createdAt"] else UNDATED
        found.setdefault(day, []).append(record["id"])
    return found


def inodes(lake: Lake) -> dict[str, tuple[int, int]]:
    """Return what tells the files of partitions apart: one that was written again is another."""
    return {
        str(path.relative_to(lake)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in lake.glob("dt=*/*")
    }
