"""Staging: a snapshot is written, counted and verified in scratch space, before it is published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.api.blocks import Block
from mailpartner_provider.api.envelope import broken
from mailpartner_provider.api.records import Rejected
from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.days import iso_utc
from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.lake.parquet import (
    in_row_groups,
    marked_backdated,
    with_day,
    write_rows,
)
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.masking import masked
from mailpartner_provider.privacy.erasure_list import ErasureList
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import RECORD, record_schema, snapshot_schema

#: Of unknown fields, in a receipt.
MAX_NAMES, MAX_NAME_LENGTH = 20, 64

_CREATED_AT = RECORD.field("created_at").type
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(kw_only=True)
class Staged:
    """A staged snapshot, its quarantine, and the counts.

    Instants are microseconds since 1970 UTC.
    """

    file: Path
    rejected_file: Path
    rows: int = 0
    after_cutoff: int = 0
    null_created_at: int = 0
    min_created_at: int | None = None
    max_created_at: int | None = None
    unknown_fields: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    ids_ascend: bool = True
    last_id: int | None = None

    @property
    def rejected(self) -> int:
        """The number of quarantined records."""
        return self.reasons.total()

    def duplicate_ids(self) -> int:
        """Count the rows whose id another row has; free while ids ascend."""
        if self.ids_ascend:
            return 0
        ids = pq.read_table(self.file, columns=["id"]).column("id")
        distinct: int = pc.count_distinct(ids).as_py()
        return len(ids) - distinct

    def receipt_members(self) -> dict[str, Any]:
        """Return what a receipt declares about these rows."""
        return {
            "rows": self.rows,
            "rejected": self.rejected,
            "after_cutoff": self.after_cutoff,
            "null_created_at": self.null_created_at,
            "duplicate_ids": self.duplicate_ids(),
            "unknown_fields": _names(self.unknown_fields),
            "min_created_at": _iso(self.min_created_at),
            "max_created_at": _iso(self.max_created_at),
        }


def stage(
    stream: UnsubscribeStream,
    scratch: Path,
    day: date,
    cutoff: datetime | None,
    heartbeat: Callable[[UnsubscribeStream], None],
    email_mode: EmailMode,
    erased: ErasureList,
) -> Staged:
    """Write the snapshot of a day into a scratch folder, and compare it with what was received.

    :param cutoff: leave out what was created at or after this instant, and mark the file as
        backdated; None for a live snapshot
    :param heartbeat: called after every block; may raise
    :param email_mode: what to write in the place of addresses
    :param erased: the people whose hashes replace their addresses in any mode
    :raises OSError: the scratch folder cannot be written
    """
    staged = Staged(file=scratch / "part.parquet", rejected_file=scratch / "rejected.jsonl")
    schema = snapshot_schema(email_mode.column)
    if cutoff is not None:
        schema = marked_backdated(schema)
    with naming_path("write scratch files in", scratch):
        with staged.rejected_file.open("w", encoding="ascii") as quarantine:
            blocks = _with_heartbeat(stream, heartbeat)
            batches = _counted(blocks, staged, quarantine, cutoff, email_mode, erased)
            row_groups = in_row_groups(batches, record_schema(email_mode.column))
            written = write_rows(
                staged.file, (with_day(rows, day, schema) for rows in row_groups), schema
            )
        if not written == staged.rows == stream.received - staged.rejected - staged.after_cutoff:
            raise RuntimeError("a record was neither landed nor rejected nor cut off")
    return staged


def _with_heartbeat(
    stream: UnsubscribeStream, heartbeat: Callable[[UnsubscribeStream], None]
) -> Iterator[Block]:
    for block in stream:
        heartbeat(stream)
        yield block


def _counted(
    blocks: Iterator[Block],
    staged: Staged,
    quarantine: TextIO,
    cutoff: datetime | None,
    email_mode: EmailMode,
    erased: ErasureList,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows to be landed; count everything, and quarantine what was rejected."""
    for block in blocks:
        staged.unknown_fields |= block.unknown_fields
        for rejected in block.rejected:
            staged.reasons[rejected.reason] += 1
            quarantine.write(_quarantined(rejected, email_mode, erased))
        batch = block.batch if cutoff is None else _before(cutoff, block.batch)
        staged.after_cutoff += block.batch.num_rows - batch.num_rows
        if batch.num_rows:
            _count(staged, batch)
            yield _protected(batch, email_mode, erased)


def _before(cutoff: datetime, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows created before an instant, and those without a date."""
    earlier = pc.less(batch.column("created_at"), pa.scalar(cutoff, _CREATED_AT))
    return batch.filter(pc.fill_null(earlier, True))


def _count(staged: Staged, batch: pa.RecordBatch) -> None:
    ids, created_at = batch.column("id"), batch.column("created_at")
    staged.rows += batch.num_rows
    staged.null_created_at += created_at.null_count
    follows = staged.last_id is None or staged.last_id < ids[0].as_py()
    ascend = pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py()
    staged.ids_ascend = staged.ids_ascend and follows and ascend
    staged.last_id = ids[-1].as_py()
    span = pc.min_max(created_at.view(pa.int64())).as_py()
    bounds = [staged.min_created_at, staged.max_created_at, *span.values()]
    known = [bound for bound in bounds if bound is not None]
    staged.min_created_at = min(known, default=None)
    staged.max_created_at = max(known, default=None)


def _protected(batch: pa.RecordBatch, email_mode: EmailMode, erased: ErasureList) -> pa.RecordBatch:
    """Return the rows in their email mode, with erased people redacted."""
    try:
        rows = email_mode.apply(batch)
        if erased.hashes:
            rows = erased.redact(rows, emails=batch.column("email")).rows
        return rows
    except RecursionError:
        pass  # the error would carry the record along
    raise _too_deep()


def _quarantined(rejected: Rejected, email_mode: EmailMode, erased: ErasureList) -> str:
    try:
        record = email_mode.apply_to_json(erased.redact_record(rejected.record))
        return json.dumps({"reason": rejected.reason, "record": record}) + "\n"
    except RecursionError:
        pass  # the error would carry the record along
    raise _too_deep()


def _too_deep() -> RequestFailed:
    """Return the error for a record whose nesting is too deep to be written."""
    return broken("a record is nested too deeply to be written")


def _names(fields: set[str]) -> str:
    """Return the names of some fields, comma-separated, and how many more there are."""
    shown = sorted(masked(name)[:MAX_NAME_LENGTH] for name in fields)[:MAX_NAMES]
    more = len(fields) - len(shown)
    return ",".join([*shown, f"(+{more} more)"] if more else shown)


def _iso(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return iso_utc(_EPOCH + timedelta(microseconds=microseconds))
