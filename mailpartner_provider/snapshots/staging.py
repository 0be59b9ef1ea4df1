"""Finish a snapshot in scratch space: write, count, verify. Nothing is visible yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.api.blocks import Block
from mailpartner_provider.api.records import SCHEMA, Rejected
from mailpartner_provider.api.stream import UnsubscribeStream, broken
from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.lake.parquet import (
    ROW_GROUP_ROWS,
    in_row_groups,
    open_writer,
    schema_with_day,
    with_day,
)
from mailpartner_provider.lake.storage import naming_the_place
from mailpartner_provider.privacy.erasure_list import Erased, hashes
from mailpartner_provider.privacy.hashing import EmailMode

_CREATED_AT = SCHEMA.field("created_at").type


@dataclass(kw_only=True)
class Staged:
    """A finished snapshot, its quarantine, and what was counted on the way.

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
        """How many records are in quarantine."""
        return self.reasons.total()

    def duplicate_ids(self) -> int:
        """Count the rows whose id another row has; free while ids ascend."""
        if self.ids_ascend:
            return 0
        ids = pq.read_table(self.file, columns=["id"]).column("id")
        distinct: int = pc.count_distinct(ids).as_py()
        return len(ids) - distinct


def stage(
    stream: UnsubscribeStream,
    scratch: Path,
    day: date,
    cutoff: datetime | None,
    heartbeat: Callable[[UnsubscribeStream], None],
    emails: EmailMode,
    erased: Erased,
) -> Staged:
    """Write the snapshot of a day into a scratch folder, and hold it against what was received.

    :param cutoff: leave out what was created at or after this instant
    :param heartbeat: called after every block; may raise
    :param emails: what to write in the place of addresses
    :param erased: whose tokens take their place in any case
    :raises OSError: the scratch folder cannot be written
    """
    staged = Staged(file=scratch / "part.parquet", rejected_file=scratch / "rejected.jsonl")
    schema = snapshot_schema(emails)
    with naming_the_place("write scratch files in", scratch):
        with (
            open_writer(staged.file, schema) as writer,
            staged.rejected_file.open("w", encoding="ascii") as quarantine,
        ):
            blocks = _heard(stream, heartbeat)
            batches = _counted(blocks, staged, quarantine, cutoff, emails, erased)
            for rows in in_row_groups(batches, emails.schema):
                writer.write_table(with_day(rows, day, schema), row_group_size=ROW_GROUP_ROWS)
        _verify(staged, stream.received, schema)
    return staged


def snapshot_schema(emails: EmailMode) -> pa.Schema:
    """Give the columns of a snapshot; their order is a promise (some loaders go by position)."""
    return schema_with_day(emails.schema, pa.field("snapshot_date", pa.date32(), nullable=False))


def _heard(
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
    emails: EmailMode,
    erased: Erased,
) -> Iterator[pa.RecordBatch]:
    """Pass on the rows to be landed; count everything, and quarantine what was rejected."""
    for block in blocks:
        staged.unknown_fields |= block.unknown_fields
        for rejected in block.rejected:
            staged.reasons[rejected.reason] += 1
            quarantine.write(_quarantined(rejected, emails, erased))
        batch = block.batch if cutoff is None else _before(cutoff, block.batch)
        staged.after_cutoff += block.batch.num_rows - batch.num_rows
        if batch.num_rows:
            _count(staged, batch)
            yield _without_addresses(batch, emails, erased)


def _before(cutoff: datetime, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Keep the rows created before an instant, and those without a date."""
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
    staged.min_created_at, staged.max_created_at = (
        min(known, default=None),
        max(known, default=None),
    )


def _without_addresses(batch: pa.RecordBatch, emails: EmailMode, erased: Erased) -> pa.RecordBatch:
    try:
        rows = emails.apply(batch)
        if erased.tokens:
            rows, _ = erased.strike(rows, hashes(batch.column("email").to_pylist()))
        return rows
    except RecursionError:
        pass  # the error would carry the record along
    raise _too_deep()


def _quarantined(rejected: Rejected, emails: EmailMode, erased: Erased) -> str:
    try:
        record = emails.apply_to_json(erased.strike_record(rejected.record))
        return json.dumps({"reason": rejected.reason, "record": record}) + "\n"
    except RecursionError:
        pass  # the error would carry the record along
    raise _too_deep()


def _too_deep() -> RequestFailed:
    """Describe what only the decoder, on a stack of its own, could go deep enough to read."""
    return broken("a record is nested too deep to be written")


def _verify(staged: Staged, received: int, schema: pa.Schema) -> None:
    """Read the footer of the finished file back, and make sure that no record went astray."""
    footer = pq.ParquetFile(staged.file)
    if footer.metadata.num_rows != staged.rows or footer.schema_arrow != schema:
        raise OSError(f"{staged.rows} rows were written, and the file does not hold them")
    if received != staged.rows + staged.rejected + staged.after_cutoff:
        raise RuntimeError("a record was neither landed nor rejected nor cut off")
