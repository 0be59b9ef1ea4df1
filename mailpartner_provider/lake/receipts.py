"""Receipts: the counts, days and digests that a landing declares; never a person."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, NamedTuple

from mailpartner_provider import __version__
from mailpartner_provider.days import parse_utc
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.commit import Declared

RECEIPT_VERSION = 1
LIVE = "live"
BACKDATED = "backdated"


class TaskRun(NamedTuple):
    """The connection and the task run of a landing; None outside of a task run."""

    conn_id: str | None = None
    dag_id: str | None = None
    task_id: str | None = None
    run_id: str | None = None
    map_index: int | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The members that the receipts of all datasets have, in XCom, asset events and ``_receipts/``.

    Dates are ISO days, instants ISO in UTC. ``changed`` is whether the data differs from what the
    day's last receipt declared. ``etag`` is the object store's version of the file. ``next_sha256``
    exists only while an erasure replaces the file: the digest of the new one. Members with a
    default here may be missing in receipts of earlier versions.
    """

    receipt_version: int = RECEIPT_VERSION
    dataset: str
    provider_version: str = __version__
    snapshot_date: str
    status: str
    email_mode: str = "plain"
    uri: str
    rows: int
    bytes: int
    sha256: str
    etag: str | None = None
    next_sha256: str | None = None
    changed: bool
    conn_id: str | None = None
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    map_index: int | None = None

    @property
    def day(self) -> date:
        """The ``snapshot_date`` as a date."""
        return date.fromisoformat(self.snapshot_date)

    @property
    def declaration(self) -> Declared:
        """What the receipt declares about the day's file."""
        return Declared(self.sha256, self.etag, self.next_sha256)

    def as_dict(self) -> dict[str, Any]:
        """Return a flat dict of strings, numbers, booleans and nulls."""
        members = asdict(self)
        if self.next_sha256 is None:
            del members["next_sha256"]
        return members

    def to_json(self) -> str:
        """Return the text of the receipt's file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class SnapshotReceipt(Receipt):
    """The receipt of a suppression list.

    ``received`` = ``rows`` + ``rejected`` + ``after_cutoff``. ``declared`` is the same number,
    unless the API declared none, or fewer than it sent. ``duration_seconds`` is the time from
    ``observed_at`` to the finished file.
    """

    dataset: str = "mailpartner.unsubscribes"
    partition_by: str = "snapshot"
    partitions_written: int | None = None
    partitions_kept: int | None = None
    partitions_removed: int | None = None
    declared: int | None
    received: int
    rejected: int
    after_cutoff: int
    null_created_at: int
    duplicate_ids: int
    unknown_fields: str
    min_created_at: str | None
    max_created_at: str | None
    observed_at: str
    duration_seconds: float | None = None
    previous_snapshot_date: str | None
    previous_rows: int | None
    timezone: str


@dataclass(frozen=True, kw_only=True)
class ChangesReceipt(Receipt):
    """The receipt of the changes between two snapshots.

    ``rows`` = ``added`` + ``removed`` + ``changed_records``. ``source_sha256`` and
    ``source_observed_at`` are those of the day's snapshot. ``previous_sha256`` is null where the
    changes before were applied, because their snapshot had been replaced or removed.
    """

    dataset: str = "mailpartner.unsubscribe_changes"
    previous_snapshot_date: str | None
    added: int
    removed: int
    changed_records: int
    source_uri: str
    source_sha256: str
    source_observed_at: str | None = None
    previous_uri: str | None = None
    previous_sha256: str | None


_KINDS: dict[str, type[SnapshotReceipt | ChangesReceipt]] = {
    kind.dataset: kind for kind in (SnapshotReceipt, ChangesReceipt)
}


def read_receipt(data: bytes, uri: str) -> SnapshotReceipt | ChangesReceipt:
    """Read a receipt of any dataset; unknown members are ignored.

    :param uri: of the receipt, for errors
    :raises ValueError: it is not a receipt
    :raises BadData: its ``receipt_version`` is higher than this version of the package knows
    """
    try:
        members = json.loads(data)
        version = members.get("receipt_version", RECEIPT_VERSION)
        if type(version) is int and version > RECEIPT_VERSION:
            raise BadData(
                f"{uri} was written by mailpartner-provider {members.get('provider_version')}: "
                f"upgrade this one ({__version__}), which cannot read receipt_version {version}"
            )
        kind = _KINDS[members["dataset"]]
        known = {field.name for field in fields(kind)}
        receipt = kind(**{name: value for name, value in members.items() if name in known})
        date.fromisoformat(receipt.snapshot_date)
        if isinstance(receipt, SnapshotReceipt):
            parse_utc(receipt.observed_at)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a receipt: {type(error).__name__}") from error
    if receipt.status not in (LIVE, BACKDATED) or type(receipt.rows) is not int or receipt.rows < 0:
        raise ValueError("not a receipt: it has no valid status or no valid number of rows")
    return receipt
