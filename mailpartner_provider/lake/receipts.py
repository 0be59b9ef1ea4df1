"""What a landing declares about itself: counts, days, digests; never a person."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timezone
from typing import Any, TypeVar

from mailpartner_provider import __version__

RECEIPT_VERSION = 1
DATASET = "mailpartner.unsubscribes"
CHANGES_DATASET = "mailpartner.unsubscribe_changes"
LIVE = "live"
BACKDATED = "backdated"

_Kind = TypeVar("_Kind", "Receipt", "ChangesReceipt")


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One landing, as XCom, asset events and ``_receipts/`` carry it.

    ``declared`` = ``received`` = ``rows`` + ``rejected`` + ``after_cutoff``, unless the API
    declared nothing or fewer than it sent. Dates are ISO days, instants ISO in UTC.
    ``duration_seconds`` go from ``observed_at`` to the finished file.
    """

    snapshot_date: str
    status: str
    uri: str
    rows: int
    declared: int | None
    received: int
    rejected: int
    after_cutoff: int
    null_created_at: int
    duplicate_ids: int
    unknown_fields: str
    min_created_at: str | None
    max_created_at: str | None
    bytes: int
    sha256: str
    changed: bool
    observed_at: str
    duration_seconds: float
    previous_snapshot_date: str | None
    previous_rows: int | None
    timezone: str
    conn_id: str | None
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    partitions_written: int | None = None
    partitions_kept: int | None = None
    partitions_removed: int | None = None
    receipt_version: int = RECEIPT_VERSION
    dataset: str = DATASET
    partition_by: str = "snapshot"
    email_mode: str = "plain"
    provider_version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """Give a flat dict of strings, numbers, booleans and nulls."""
        return asdict(self)

    def to_json(self) -> str:
        """Write the receipt as the text of its file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class ChangesReceipt:
    """One landing of changes, as XCom, asset events and ``_receipts/`` carry it.

    ``rows`` = ``added`` + ``removed`` + ``changed_records``. ``changed`` says, as in the receipt of
    a snapshot, whether it is another file than the day's last receipt declared.
    """

    snapshot_date: str
    previous_snapshot_date: str | None
    status: str
    uri: str
    rows: int
    added: int
    removed: int
    changed_records: int
    bytes: int
    sha256: str
    changed: bool
    source_uri: str
    source_sha256: str
    previous_uri: str | None
    previous_sha256: str | None
    email_mode: str
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    receipt_version: int = RECEIPT_VERSION
    dataset: str = CHANGES_DATASET
    provider_version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """Give a flat dict of strings, numbers, booleans and nulls."""
        return asdict(self)

    def to_json(self) -> str:
        """Write the receipt as the text of its file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"


def read_receipt(text: bytes) -> Receipt:
    """Read a receipt back; members that a later version added are left out.

    :raises ValueError: it is not a receipt, or lacks something
    """
    return _read(text, Receipt)


def read_any_receipt(text: bytes) -> Receipt | ChangesReceipt:
    """Read the receipt of a snapshot or of changes back.

    :raises ValueError: it is neither, or lacks something
    """
    try:
        return _read(text, Receipt)
    except ValueError:
        return _read(text, ChangesReceipt)


def iso_utc(instant: datetime) -> str:
    """Write an instant as receipts do: ``2026-11-23T06:30:00Z``."""
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def read_utc(text: str) -> datetime:
    """Read an instant as receipts write it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _read(text: bytes, kind: type[_Kind]) -> _Kind:
    try:
        members = json.loads(text)
        receipt = kind(**{field.name: members[field.name] for field in fields(kind)})
        date.fromisoformat(receipt.snapshot_date)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a receipt: {type(error).__name__}") from error
    if receipt.status not in (LIVE, BACKDATED) or type(receipt.rows) is not int or receipt.rows < 0:
        raise ValueError("not a receipt: its status or its rows are no such thing")
    return receipt
