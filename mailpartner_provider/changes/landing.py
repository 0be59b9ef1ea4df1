"""Land what changed between a day's snapshot and the last complete one before it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.errors import BadData, RequestFailed, WrongArgument
from mailpartner_provider.lake import history, names
from mailpartner_provider.lake.parquet import ROW_GROUP_ROWS, in_row_groups, open_writer
from mailpartner_provider.lake.receipts import CHANGES_DATASET, LIVE, ChangesReceipt, Receipt
from mailpartner_provider.lake.storage import Destination, digest, naming_the_place
from mailpartner_provider.privacy.erasure_list import read_erased, tokens_of
from mailpartner_provider.snapshots.landing import Origin

ADDED, CHANGED, REMOVED = "added", "changed", "removed"


class Order(NamedTuple):
    """Which day's changes are to be landed where, on what terms.

    ``source`` holds snapshots. ``max_removed`` is the share of the previous snapshot's records that
    may be removed; None for any.
    """

    day: date
    source: Destination
    destination: Destination
    max_removed: float | None = 0.5
    origin: Origin = Origin()


class _Pair(NamedTuple):
    """The receipts of the snapshots to be compared; before the very first one there is none."""

    current: Receipt
    previous: Receipt | None

    @property
    def dates(self) -> dict[str, date | None]:
        """The values of the two columns that tell the snapshots."""
        current, previous = (
            date.fromisoformat(receipt.snapshot_date) if receipt else None for receipt in self
        )
        return {"snapshot_date": current, "previous_snapshot_date": previous}


def land_changes(order: Order, comparison: Comparison) -> ChangesReceipt | None:
    """Land the changes of one day, or change nothing.

    :return: the receipt; None when the day's snapshot is backdated: nobody can tell who had been
        removed by then, so those of the next live snapshot tell this day's changes too
    :raises BadData: a snapshot is missing, damaged or unlike the one before, or too many records
        were removed
    :raises WrongArgument: the destination holds snapshots, or the source holds none of whole days
    :raises RequestFailed: somebody was erased meanwhile
    :raises LandingStopped: the comparison was stopped
    :raises OSError: source or destination cannot be read or written
    """
    pair = _find(order)
    if pair is None:
        return None
    declared = _declared(order)
    erased = read_erased(order.destination.read(names.ERASED))
    with order.destination.scratch() as scratch:
        files = [
            _fetch(order.source, receipt, scratch / f"{receipt.snapshot_date}.parquet")
            for receipt in pair
            if receipt
        ]
        snapshot_schema = _common_schema(files, pair)
        records = [name for name in snapshot_schema.names if name != "snapshot_date"]
        found = comparison.changes(files, records, scratch)
        file = scratch / "part.parquet"
        if erased.tokens:
            found = (erased.strike(batch, tokens_of(batch))[0] for batch in found)
        counts = _write(found, file, changes_schema(snapshot_schema), pair.dates)
        _check(counts, pair, order.max_removed)
        with order.destination.alone():
            if erased != read_erased(order.destination.read(names.ERASED)):
                raise RequestFailed("somebody was erased meanwhile; let the task run again")
            receipt = _declare(file, counts, pair, order, declared)
            comparison.raise_if_stopped()
            _publish(file, receipt, order)
    return receipt


def changes_schema(snapshot: pa.Schema) -> pa.Schema:
    """Give the columns of changes, in order: those of the snapshots, and two more."""
    place = snapshot.get_field_index("snapshot_date") + 1
    dated = snapshot.insert(place, pa.field("previous_snapshot_date", pa.date32()))
    return dated.insert(0, pa.field("change", pa.string(), nullable=False))


def _find(order: Order) -> _Pair | None:
    """Find the day's snapshot and the live one before it; None when the day's is not live."""
    current = history.standing_receipt(order.source, order.day)
    if current is None:
        raise BadData(
            f"{order.source.uri('')} has no readable receipt of {order.day}: land it first"
        )
    if current.partition_by != "snapshot":
        raise WrongArgument(
            f"source: {order.source.uri('')} was landed with partition_by="
            f"{current.partition_by!r}; changes are told from whole snapshots"
        )
    if current.status != LIVE:
        return None
    earlier = history.earlier_receipts(order.source, order.day)
    return _Pair(current, next((receipt for receipt in earlier if receipt.status == LIVE), None))


def _declared(order: Order) -> str | None:
    """Read the digest that the day's last receipt declares; None when there is no such receipt.

    :raises WrongArgument: the destination is the source, or another folder of snapshots
    """
    standing = order.destination.read(names.receipt_file(order.day))
    try:
        receipt = json.loads(standing or b"")
        dataset, sha256 = receipt["dataset"], receipt["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # not the receipt of a landing
    if dataset != CHANGES_DATASET:
        raise WrongArgument(
            f"destination: {order.destination.uri('')} holds {dataset}; changes need a folder of "
            "their own"
        )
    return str(sha256)


def _fetch(source: Destination, receipt: Receipt, file: Path) -> Path:
    """Copy a snapshot, and make sure that it is the one that its receipt names."""
    name = names.partition_file(date.fromisoformat(receipt.snapshot_date))
    if not source.fetch(name, file):
        raise BadData(
            f"{source.uri(name)} is not there, and its receipt is: put it back, or remove the "
            "receipt, so that the day counts as not landed"
        )
    if digest(file) != receipt.sha256:
        raise BadData(
            f"{source.uri(name)} is not the file that its receipt names: land the day again, or "
            "put the file back"
        )
    return file


def _common_schema(files: list[Path], pair: _Pair) -> pa.Schema:
    """Give the snapshots' columns, which must be the same."""
    current, *others = (pq.read_schema(file).remove_metadata() for file in files)
    for previous in others:
        if not current.equals(previous):
            raise BadData(
                f"the snapshot of {pair.dates['snapshot_date']} has the columns {current.names}, "
                f"that of {pair.dates['previous_snapshot_date']} has {previous.names}, as after a "
                "change of email_mode: they cannot be compared, and nothing was published. This "
                "day stays without changes; the next one will be compared with it"
            )
    return current


def _write(
    found: Iterator[pa.RecordBatch], file: Path, schema: pa.Schema, dates: dict[str, date | None]
) -> Counter[str]:
    """Write the changes and verify the file; count the records of each kind."""
    counts: Counter[str] = Counter()

    def dated() -> Iterator[pa.RecordBatch]:
        for batch in found:
            for kind in pc.value_counts(batch.column("change")).to_pylist():
                counts[kind["values"]] += kind["counts"]
            columns = [
                pa.array([dates[field.name]] * batch.num_rows, field.type)
                if field.name in dates
                else batch.column(field.name).cast(field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    with naming_the_place("write changes in", file.parent):
        with open_writer(file, schema) as writer:
            for rows in in_row_groups(dated(), schema):
                writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        footer = pq.ParquetFile(file)
        if footer.metadata.num_rows != counts.total() or footer.schema_arrow != schema:
            raise OSError(f"{counts.total()} rows were written, and the file does not hold them")
    return counts


def _check(counts: Counter[str], pair: _Pair, max_removed: float | None) -> None:
    """Make sure that the counts add up, and that not too many records were removed."""
    before = pair.previous.rows if pair.previous else 0
    duplicates = pair.current.duplicate_ids or (pair.previous and pair.previous.duplicate_ids)
    if not duplicates and counts[ADDED] - counts[REMOVED] != pair.current.rows - before:
        raise BadData(
            f"{before} records, {counts[ADDED]} added and {counts[REMOVED]} removed do not make "
            f"the {pair.current.rows} that the receipt of {pair.current.snapshot_date} declares; "
            "nothing was published"
        )
    if max_removed is not None and counts[REMOVED] > Decimal(str(max_removed)) * before:
        raise BadData(
            f"{counts[REMOVED]} of the {before} records of the snapshot of "
            f"{pair.dates['previous_snapshot_date']} are no longer listed, more than max_removed="
            f"{max_removed} allows; nothing was published. If the list is still that of the same "
            "account, and so many people were really removed, run once with a higher max_removed"
        )


def _declare(
    file: Path, counts: Counter[str], pair: _Pair, order: Order, declared: str | None
) -> ChangesReceipt:
    """Write down what is about to be published; a file that no receipt declared is a change."""
    name, sha256 = names.partition_file(order.day), digest(file)
    found = order.destination.digest(name)
    return ChangesReceipt(
        snapshot_date=pair.current.snapshot_date,
        previous_snapshot_date=pair.previous.snapshot_date if pair.previous else None,
        status=pair.current.status,
        uri=order.destination.uri(name),
        rows=counts.total(),
        added=counts[ADDED],
        removed=counts[REMOVED],
        changed_records=counts[CHANGED],
        bytes=file.stat().st_size,
        sha256=sha256,
        changed=not (declared == sha256 == found),
        source_uri=order.source.uri(name),
        source_sha256=pair.current.sha256,
        previous_uri=_uri(pair.previous, order.source),
        previous_sha256=pair.previous.sha256 if pair.previous else None,
        email_mode=pair.current.email_mode,
        dag_id=order.origin.dag_id,
        task_id=order.origin.task_id,
        run_id=order.origin.run_id,
    )


def _uri(snapshot: Receipt | None, source: Destination) -> str | None:
    if snapshot is None:
        return None
    return source.uri(names.partition_file(date.fromisoformat(snapshot.snapshot_date)))


def _publish(file: Path, receipt: ChangesReceipt, order: Order) -> None:
    """Make the changes visible, and their receipt last; it is finished before."""
    receipt_file = file.with_name("receipt.json")
    with naming_the_place("write changes in", file.parent):
        receipt_file.write_text(receipt.to_json(), encoding="ascii")
    if receipt.changed:
        order.destination.publish(file, names.partition_file(order.day))
    order.destination.publish(receipt_file, names.receipt_file(order.day))
