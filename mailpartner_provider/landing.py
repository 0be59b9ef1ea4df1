"""Stage a snapshot, verify it, publish it: the only writer."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider import partitions
from mailpartner_provider.blocks import Block
from mailpartner_provider.destinations import Destination, digest, naming_the_place
from mailpartner_provider.envelope import masked
from mailpartner_provider.errors import BadData
from mailpartner_provider.receipts import BACKDATED, LIVE, Receipt, read_receipt
from mailpartner_provider.records import SCHEMA, Rejected
from mailpartner_provider.stream import UnsubscribeStream

#: The columns of a snapshot; their order is a promise (some loaders go by position).
SNAPSHOT_SCHEMA = SCHEMA.insert(3, pa.field("snapshot_date", pa.date32(), nullable=False))
ROW_GROUP_ROWS = 262_144

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a snapshot must satisfy to be published."""

    on_empty: str = "write"
    max_rejected: int = 0
    max_shrink: float | None = 0.5


class Order(NamedTuple):
    """Which day is to be landed where, and on what terms."""

    day: date
    zone: ZoneInfo
    destination: Destination
    terms: Terms


class History(NamedTuple):
    """The receipt that stands for a day, and the newest of an earlier day."""

    standing: Receipt | None
    previous: Receipt | None


@dataclass(kw_only=True)
class Staged:
    """A snapshot finished in scratch space, and what was counted on the way."""

    file: Path
    rejected_file: Path
    rows: int = 0
    after_cutoff: int = 0
    null_created_at: int = 0
    min_created_at: datetime | None = None
    max_created_at: datetime | None = None
    ids_ascend: bool = True
    last_id: int = -(2**63) - 1
    unknown_fields: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        return self.reasons.total()


def land(
    stream: UnsubscribeStream,
    order: Order,
    history: History,
    origin: Mapping[str, str | None],
    heartbeat: Callable[[UnsubscribeStream], None],
) -> Receipt | None:
    """Land one answer as the snapshot of a day, or change nothing.

    A snapshot observed later than its day is backdated: it holds only what was created before the
    day's end, and never replaces a live one.

    :param history: what ``read_history`` gave for the day
    :param origin: ``conn_id``, ``dag_id``, ``task_id``, ``run_id`` for the receipt
    :param heartbeat: called after every block and before anything is published; may raise
    :return: the receipt; None when the list is empty and ``on_empty`` says skip
    :raises BadData: the snapshot breaks the terms
    :raises RequestFailed: the answer is broken or truncated
    :raises OSError: the destination cannot be read or written
    """
    day, zone, destination, terms = order
    status = BACKDATED if partitions.day_of(stream.observed_at, zone) > day else LIVE
    if status == BACKDATED and (kept := keep_live(history)):
        return kept
    cutoff = partitions.end_of_day(day, zone) if status == BACKDATED else None
    with destination.scratch() as scratch:
        with naming_the_place("write scratch files in", scratch):
            staged = _stage(stream, scratch, day, cutoff, heartbeat)
            _verify(staged, stream)
        _check(staged, terms, history.standing or history.previous)
        if staged.rows == 0 and terms.on_empty == "skip":
            return None
        name = partitions.partition_file(day)
        receipt = Receipt(
            snapshot_date=day.isoformat(),
            status=status,
            uri=destination.uri(name),
            rows=staged.rows,
            declared=stream.declared,
            received=stream.received,
            rejected=staged.rejected,
            after_cutoff=staged.after_cutoff,
            null_created_at=staged.null_created_at,
            duplicate_ids=_duplicate_ids(staged),
            unknown_fields=",".join(sorted(masked(name) for name in staged.unknown_fields)),
            min_created_at=_iso(staged.min_created_at),
            max_created_at=_iso(staged.max_created_at),
            bytes=staged.file.stat().st_size,
            sha256=digest(staged.file),
            changed=not destination.holds(name, staged.file),
            observed_at=_iso(stream.observed_at) or "",
            previous_snapshot_date=history.previous and history.previous.snapshot_date,
            previous_rows=history.previous and history.previous.rows,
            timezone=zone.key,
            **origin,
        )
        heartbeat(stream)
        _publish(staged, receipt, destination, day)
    return receipt


def read_history(destination: Destination, day: date) -> History:
    """Read what was landed for a day and before it.

    The day before is tried first, so that a daily landing lists nothing. A receipt that cannot be
    read is reported and passed over.
    """
    standing = _read_receipt(destination, day)
    previous = _read_receipt(destination, day - timedelta(days=1)) if day > date.min else None
    if previous is None:
        listed = map(partitions.day_in_name, destination.names(partitions.RECEIPTS))
        earlier = sorted((found for found in listed if found and found < day), reverse=True)
        receipts = (_read_receipt(destination, found) for found in earlier)
        previous = next(filter(None, receipts), None)
    return History(standing, previous)


def keep_live(history: History) -> Receipt | None:
    """Give the receipt of the day's live snapshot, which no backdated one may replace."""
    standing = history.standing
    if standing is None or standing.status != LIVE:
        return None
    log.info(
        "Kept the live snapshot of %s: it was observed on its day, and what the API shows now "
        "cannot tell who has been removed since",
        standing.snapshot_date,
    )
    return replace(standing, changed=False)


def _read_receipt(destination: Destination, day: date) -> Receipt | None:
    name = partitions.receipt_file(day)
    text = destination.read(name)
    if text is None:
        return None
    try:
        return read_receipt(text)
    except ValueError as error:
        log.warning("Passed over %s: %s", destination.uri(name), error)
        return None


def _stage(
    stream: UnsubscribeStream,
    scratch: Path,
    day: date,
    cutoff: datetime | None,
    heartbeat: Callable[[UnsubscribeStream], None],
) -> Staged:
    """Write the snapshot and its quarantine into scratch space, counting."""
    staged = Staged(file=scratch / "part.parquet", rejected_file=scratch / "rejected.jsonl")
    with (
        pq.ParquetWriter(
            staged.file,
            SNAPSHOT_SCHEMA,
            compression="zstd",
            use_dictionary=["snapshot_date", "extra_fields"],  # the others hardly repeat
            write_page_index=True,
        ) as writer,
        staged.rejected_file.open("w", encoding="ascii") as rejected_file,
    ):

        def batches() -> Iterator[pa.RecordBatch]:
            for block in stream:
                heartbeat(stream)
                staged.unknown_fields |= block.unknown_fields
                for rejected in block.rejected:
                    staged.reasons[rejected.reason] += 1
                    rejected_file.write(_quarantined(rejected))
                batch = _before(block, cutoff)
                staged.after_cutoff += block.batch.num_rows - batch.num_rows
                _count(staged, batch)
                yield _dated(batch, day)

        for row_group in _row_groups(batches()):
            writer.write_table(row_group, row_group_size=ROW_GROUP_ROWS)
    return staged


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut the rows at fixed counts, so that the file does not depend on how they arrived."""
    held = SNAPSHOT_SCHEMA.empty_table()
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while held.num_rows >= ROW_GROUP_ROWS:
            yield held.slice(0, ROW_GROUP_ROWS).combine_chunks()
            held = held.slice(ROW_GROUP_ROWS)
    if held.num_rows:
        yield held.combine_chunks()


def _before(block: Block, cutoff: datetime | None) -> pa.RecordBatch:
    """Keep the rows created before an instant, and those without a date."""
    if cutoff is None:
        return block.batch
    earlier = pc.less(block.batch.column("created_at"), pa.scalar(cutoff, SCHEMA.field(2).type))
    return block.batch.filter(pc.fill_null(earlier, True))


def _dated(batch: pa.RecordBatch, day: date) -> pa.RecordBatch:
    columns = batch.columns
    columns.insert(3, pa.repeat(pa.scalar(day), batch.num_rows))
    return pa.RecordBatch.from_arrays(columns, schema=SNAPSHOT_SCHEMA)


def _count(staged: Staged, batch: pa.RecordBatch) -> None:
    """Add a batch's rows to the counts."""
    if batch.num_rows == 0:
        return
    ids, created_at = batch.column("id"), batch.column("created_at")
    staged.rows += batch.num_rows
    staged.null_created_at += created_at.null_count
    ascend = ids[0].as_py() > staged.last_id and pc.all(pc.less(ids[:-1], ids[1:])).as_py()
    staged.ids_ascend = staged.ids_ascend and ascend is not False
    staged.last_id = ids[-1].as_py()
    span = pc.min_max(created_at).as_py()
    if span["min"] is not None:
        staged.min_created_at = min(staged.min_created_at or span["min"], span["min"])
        staged.max_created_at = max(staged.max_created_at or span["max"], span["max"])


def _verify(staged: Staged, stream: UnsubscribeStream) -> None:
    """Hold the finished file against what was counted."""
    footer = pq.ParquetFile(staged.file)
    if footer.metadata.num_rows != staged.rows or not footer.schema_arrow.equals(SNAPSHOT_SCHEMA):
        raise OSError(f"the file that was written holds {footer.metadata.num_rows} rows "
                      f"where {staged.rows} were written, or other columns")
    if stream.received != staged.rows + staged.rejected + staged.after_cutoff:
        raise AssertionError("a record was neither landed nor rejected nor cut off")


def _check(staged: Staged, terms: Terms, last: Receipt | None) -> None:
    """Hold the snapshot against the terms."""
    if staged.rejected > terms.max_rejected:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in staged.reasons.most_common())
        raise BadData(
            f"{staged.rejected} of {staged.rows + staged.rejected + staged.after_cutoff} records "
            f"cannot be rows ({reasons}), and max_rejected is {terms.max_rejected}; nothing was "
            "published. Report them to Mail Partner, or raise max_rejected to quarantine them"
        )
    if last and terms.max_shrink is not None:
        lost = last.rows - staged.rows
        if lost > Decimal(str(terms.max_shrink)) * last.rows:
            raise BadData(
                f"the list has {staged.rows} unsubscribes where the snapshot of "
                f"{last.snapshot_date} has {last.rows}: it lost more than max_shrink="
                f"{terms.max_shrink} allows; nothing was published. If so many people were really "
                "removed, run once with a higher max_shrink"
            )
    if staged.rows == 0 and terms.on_empty == "fail":
        raise BadData("the list is empty, and on_empty is 'fail'; nothing was published")


def _publish(staged: Staged, receipt: Receipt, destination: Destination, day: date) -> None:
    """Make the snapshot visible, then its quarantine, and the receipt last."""
    if receipt.changed:
        destination.publish(staged.file, partitions.partition_file(day))
    if receipt.rejected:
        destination.publish(staged.rejected_file, partitions.rejected_file(day))
    else:
        destination.remove(partitions.rejected_file(day))
    receipt_file = staged.file.with_name("receipt.json")
    receipt_file.write_text(receipt.to_json(), encoding="ascii")
    destination.publish(receipt_file, partitions.receipt_file(day))


def _duplicate_ids(staged: Staged) -> int:
    """Count the rows whose id another row has; free while ids ascend."""
    if staged.ids_ascend:
        return 0
    ids = pq.read_table(staged.file, columns=["id"]).column("id")
    return len(ids) - pc.count_distinct(ids).as_py()


def _quarantined(rejected: Rejected) -> str:
    return json.dumps({"reason": rejected.reason, "record": rejected.record}) + "\n"


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat().replace("+00:00", "Z") if instant else None
