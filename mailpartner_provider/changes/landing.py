"""The landing of what changed between a day's snapshot and the last live one before it."""

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
from mailpartner_provider.errors import BadData, NothingToLand, RequestFailed, WrongArgument
from mailpartner_provider.lake.history import earlier_days, receipt_of, receipts
from mailpartner_provider.lake.layouts import SNAPSHOT
from mailpartner_provider.lake.names import partition_file, receipt_file
from mailpartner_provider.lake.parquet import in_row_groups, write_rows
from mailpartner_provider.lake.receipts import LIVE, ChangesReceipt, SnapshotReceipt, TaskRun
from mailpartner_provider.lake.scratch import digest, naming_path
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import read_erasure_list
from mailpartner_provider.privacy.hashing import row_hashes
from mailpartner_provider.schemas import changes_schema

ADDED, CHANGED, REMOVED = "added", "changed", "removed"


class ChangesRequest(NamedTuple):
    """The parameters of one landing of changes.

    ``source`` holds snapshots. ``max_removed`` is the share of the previous snapshot's records that
    may be removed; None for no limit.
    """

    day: date
    source: Destination
    destination: Destination
    max_removed: float | None = 0.5
    run: TaskRun = TaskRun()


class _Pair(NamedTuple):
    """The receipts of the snapshots to compare; before the very first one there is none."""

    current: SnapshotReceipt
    previous: SnapshotReceipt | None

    @property
    def dates(self) -> dict[str, date | None]:
        """The values of the two date columns."""
        previous = self.previous.day if self.previous else None
        return {"snapshot_date": self.current.day, "previous_snapshot_date": previous}


def land_changes(request: ChangesRequest, comparison: Comparison) -> ChangesReceipt:
    """Land the changes of one day, or change nothing.

    :raises NothingToLand: the day's snapshot is backdated: nobody knows who had been removed by
        then, and the changes of the next live snapshot include this day's
    :raises BadData: a snapshot is missing, damaged or unlike the one before, or too many records
        were removed
    :raises WrongArgument: the destination holds snapshots, or the source holds none of whole days
    :raises RequestFailed: somebody was erased during the comparison
    :raises LandingStopped: the comparison was stopped
    :raises OSError: source or destination cannot be read or written
    """
    pair = _find_snapshots(request)
    declared = _declared_digest(request)
    destination = request.destination
    erased = read_erasure_list(destination)
    with destination.scratch() as scratch:
        files = [
            _fetch(request.source, receipt, scratch / f"{receipt.snapshot_date}.parquet")
            for receipt in pair
            if receipt
        ]
        snapshot_schema = _common_schema(files, pair)
        columns = [name for name in snapshot_schema.names if name != "snapshot_date"]
        found = comparison.changes(files, columns, scratch)
        if erased.hashes:
            found = (erased.redact(batch, row_hashes(batch))[0] for batch in found)
        file = scratch / "part.parquet"
        counts = _write(found, file, changes_schema(snapshot_schema), pair.dates)
        _check_counts(counts, pair, request.max_removed)
        with destination.locked():
            if erased != read_erasure_list(destination):
                raise RequestFailed("somebody was erased during the comparison: run the task again")
            receipt = _receipt(file, counts, pair, request, declared)
            comparison.raise_if_stopped()
            _publish(file, receipt, request)
    return receipt


def _find_snapshots(request: ChangesRequest) -> _Pair:
    """Read the receipts of the day's snapshot and of the live one before it."""
    source = request.source
    current = receipt_of(source, request.day, SnapshotReceipt)
    if current is None:
        raise BadData(
            f"{source.uri('')} has no readable receipt of {request.day}: land that day first",
            day=request.day,
        )
    if current.partition_by != SNAPSHOT:
        raise WrongArgument(
            f"source: {source.uri('')} was landed with partition_by={current.partition_by!r}; "
            "changes are computed from whole snapshots"
        )
    if current.status != LIVE:
        raise NothingToLand(
            f"the snapshot of {request.day} is backdated and cannot show who was removed; the next "
            "live one will be compared across this day",
            day=request.day,
        )
    earlier = receipts(source, SnapshotReceipt, earlier_days(source, request.day))
    return _Pair(current, next((each for each in earlier if each.status == LIVE), None))


def _declared_digest(request: ChangesRequest) -> str | None:
    """Return the digest that the day's last receipt declares; None when there is no such receipt.

    :raises WrongArgument: the destination is the source, or another folder of snapshots
    """
    data = request.destination.read(receipt_file(request.day))
    try:
        members = json.loads(data or b"")
        dataset, sha256 = members["dataset"], members["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # not the receipt of a landing
    if dataset != ChangesReceipt.dataset:
        raise WrongArgument(
            f"destination: {request.destination.uri('')} holds {dataset}: choose another folder "
            "for the changes"
        )
    return str(sha256)


def _fetch(source: Destination, receipt: SnapshotReceipt, file: Path) -> Path:
    """Copy a snapshot, and verify that it is the one that its receipt declares."""
    name = partition_file(receipt.day)
    if not source.fetch(name, file):
        raise BadData(
            f"{source.uri(name)} is missing, and its receipt exists: restore the file, or delete "
            "the receipt, so that the day counts as not landed",
            day=receipt.day,
        )
    if digest(file) != receipt.sha256:
        raise BadData(
            f"{source.uri(name)} does not match its receipt: land the day again, or restore the "
            "file",
            day=receipt.day,
        )
    return file


def _common_schema(files: list[Path], pair: _Pair) -> pa.Schema:
    """Return the columns of the snapshots, which must be the same."""
    current, *others = (pq.read_schema(file).remove_metadata() for file in files)
    for previous in others:
        if not current.equals(previous):
            raise BadData(
                f"the snapshot of {pair.dates['snapshot_date']} has other columns than that of "
                f"{pair.dates['previous_snapshot_date']}, as after a change of email_mode: this "
                "day remains without changes; the next one will be compared with it. Nothing was "
                f"published ({current.names}, before: {previous.names})",
                day=pair.current.day,
            )
    return current


def _write(
    found: Iterator[pa.RecordBatch], file: Path, schema: pa.Schema, dates: dict[str, date | None]
) -> Counter[str]:
    """Write the changes; count the records of each kind."""
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

    with naming_path("write changes in", file.parent):
        write_rows(file, in_row_groups(dated(), schema), schema)
    return counts


def _check_counts(counts: Counter[str], pair: _Pair, max_removed: float | None) -> None:
    """Check that the counts add up, and that not too many records were removed."""
    before = pair.previous.rows if pair.previous else 0
    duplicates = pair.current.duplicate_ids or (pair.previous and pair.previous.duplicate_ids)
    if not duplicates and counts[ADDED] - counts[REMOVED] != pair.current.rows - before:
        raise BadData(
            f"{before} records, {counts[ADDED]} added and {counts[REMOVED]} removed do not make "
            f"the {pair.current.rows} that the receipt of {pair.current.snapshot_date} declares: "
            "land that day again. Nothing was published",
            day=pair.current.day,
        )
    if max_removed is not None and counts[REMOVED] > Decimal(str(max_removed)) * before:
        raise BadData(
            f"{counts[REMOVED]} of {before} records were removed since "
            f"{pair.dates['previous_snapshot_date']}, more than max_removed={max_removed}: check "
            "that the list is of the same account; if so many people were really removed, run once "
            "with a higher max_removed. Nothing was published",
            day=pair.current.day,
        )


def _receipt(
    file: Path,
    counts: Counter[str],
    pair: _Pair,
    request: ChangesRequest,
    declared: str | None,
) -> ChangesReceipt:
    """Return the receipt; a file that no receipt declared counts as changed."""
    name, sha256 = partition_file(request.day), digest(file)
    published = request.destination.digest(name)
    previous = pair.previous
    return ChangesReceipt(
        snapshot_date=pair.current.snapshot_date,
        previous_snapshot_date=previous.snapshot_date if previous else None,
        status=pair.current.status,
        uri=request.destination.uri(name),
        rows=counts.total(),
        added=counts[ADDED],
        removed=counts[REMOVED],
        changed_records=counts[CHANGED],
        bytes=file.stat().st_size,
        sha256=sha256,
        changed=not (declared == sha256 == published),
        source_uri=request.source.uri(name),
        source_sha256=pair.current.sha256,
        previous_uri=request.source.uri(partition_file(previous.day)) if previous else None,
        previous_sha256=previous.sha256 if previous else None,
        email_mode=pair.current.email_mode,
        dag_id=request.run.dag_id,
        task_id=request.run.task_id,
        run_id=request.run.run_id,
    )


def _publish(file: Path, receipt: ChangesReceipt, request: ChangesRequest) -> None:
    """Make the changes visible, and their receipt last; it is finished before."""
    finished_receipt = file.with_name("receipt.json")
    with naming_path("write changes in", file.parent):
        finished_receipt.write_text(receipt.to_json(), encoding="ascii")
    if receipt.changed:
        request.destination.publish(file, partition_file(request.day))
    request.destination.publish(finished_receipt, receipt_file(request.day))
