"""The landing of changes: the difference between a day's snapshot and the list before it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.changes.pair import ChangesRequest, Pair, find_pair
from mailpartner_provider.changes.replay import redacted, replay
from mailpartner_provider.errors import BadData, NothingToLand
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.layouts import Landed, Snapshot
from mailpartner_provider.lake.names import ERASED, PARTITION_PREFIX, partition_file, receipt_file
from mailpartner_provider.lake.parquet import in_row_groups, write_rows
from mailpartner_provider.lake.receipts import ChangesReceipt, SnapshotReceipt
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList, read_erasure_list
from mailpartner_provider.schemas import changes_schema

ADDED, CHANGED, REMOVED = "added", "changed", "removed"

log = logging.getLogger(__name__)


def land_changes(request: ChangesRequest, comparison: Comparison) -> ChangesReceipt:
    """Land the changes of one day, or change nothing.

    :return: the receipt of the landing, or of an existing one on which later changes build
    :raises NothingToLand: the day's snapshot is backdated, so that it does not show who had been
        removed by then; or the changes of a later day already include those of this day
    :raises BadData: a snapshot is missing, damaged or unlike the one before, or too many records
        were removed
    :raises WrongArgument: the destination holds something else, or the source holds no snapshots
    :raises Conflict: another task has changed the destination in between
    :raises LandingStopped: the comparison was stopped
    :raises OSError: source or destination cannot be read or written
    """
    destination = request.destination
    with destination.scratch() as scratch:
        commit = Commit(destination, scratch)
        pair = find_pair(request, commit)
        published = Snapshot(commit, request.day)
        is_intact = pair.landed is not None and published.matches(pair.landed)
        if pair.later:
            return _kept(pair, is_intact=is_intact)
        commit.require_files(PARTITION_PREFIX)
        erased = read_erasure_list(commit)
        commit.require(ERASED)
        pair, files = _files(request, pair, commit, comparison, scratch, erased)
        snapshot_schema = _common_schema(files, pair)
        columns = [name for name in snapshot_schema.names if name != "snapshot_date"]
        found = comparison.changes(files, columns, scratch)
        if erased.hashes:
            found = (erased.redact(batch).rows for batch in found)
        file = scratch / "part.parquet"
        counts = _write(found, file, changes_schema(snapshot_schema), pair.dates)
        _check_counts(counts, pair, files, request.max_removed)
        landed = published.replace({published.name: file}, pair.landed if is_intact else None)
        receipt = _receipt(landed, counts, pair, request)
        commit.write(receipt_file(request.day), lambda: _with_etag(receipt, commit).to_json())
        commit.publish(comparison.raise_if_stopped)
    return _with_etag(receipt, commit)


def _kept(pair: Pair, *, is_intact: bool) -> ChangesReceipt:
    """Return the receipt of the day's changes, which are kept because later ones build on them.

    :raises NothingToLand: no changes were landed for the day
    """
    if pair.landed is None or not is_intact:
        raise NothingToLand(
            f"the changes of {pair.later[0]} already include those of {pair.current.day}",
            day=pair.current.day,
        )
    log.info("Kept the changes of %s: those of %s build on them", pair.current.day, pair.later[0])
    return replace(pair.landed, changed=False)


def _files(
    request: ChangesRequest,
    pair: Pair,
    commit: Commit,
    comparison: Comparison,
    scratch: Path,
    erased: ErasureList,
) -> tuple[Pair, list[Path]]:
    """Write the day's snapshot and the list before it, if there was one, to files.

    :return: the pair, without its ``previous`` if that was replaced or removed, and the files
    """
    current, previous = scratch / "current.parquet", scratch / "previous.parquet"
    _fetch_current(request.source, pair.current, current)
    if pair.previous and _fetch_if_declared(request.source, pair.previous, previous):
        return pair, [current, previous]
    pair = pair._replace(previous=None)
    if not pair.earlier:
        return pair, [current]
    log.info(
        "Applying the changes of %d days, because the snapshot of %s was replaced or removed",
        len(pair.earlier),
        pair.earlier[-1],
    )
    if erased.hashes:
        current = redacted(current, erased)
    return pair, [current, replay(commit, pair.earlier, comparison, scratch, erased)]


def _fetch_current(source: Destination, receipt: SnapshotReceipt, file: Path) -> None:
    """Copy the day's snapshot, and verify that it is the one that its receipt declares."""
    if _fetch_if_declared(source, receipt, file):
        return
    uri = source.uri(partition_file(receipt.day))
    if not file.exists():
        raise BadData(
            f"{uri} is missing, and its receipt exists: restore the file, or delete the receipt, "
            "so that the day counts as not landed",
            day=receipt.day,
        )
    raise BadData(
        f"{uri} does not match its receipt: restore the file or the receipt; on its own day, land "
        "it again",
        day=receipt.day,
    )


def _fetch_if_declared(source: Destination, receipt: SnapshotReceipt, file: Path) -> bool:
    """Copy a snapshot if there is one; return whether it is the one that its receipt declares."""
    version = source.fetch(partition_file(receipt.day), file)
    return version is not None and receipt.declaration.is_of(file)


def _common_schema(files: list[Path], pair: Pair) -> pa.Schema:
    """Return the columns of the files, which must be the same in all."""
    current, *others = (pq.read_schema(file).remove_metadata() for file in files)
    for previous in others:
        if not current.equals(previous):
            raise BadData(
                f"the snapshot of {pair.dates['snapshot_date']} has other columns than the one of "
                f"{pair.dates['previous_snapshot_date']}, as after a change of email_mode: begin "
                f"a new folder of changes. Nothing was published ({current.names}, before: "
                f"{previous.names})",
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


def _check_counts(
    counts: Counter[str], pair: Pair, files: list[Path], max_removed: float | None
) -> None:
    """Check that the counts add up, and that not too many records were removed."""
    if pair.previous:
        before, duplicates = pair.previous.rows, pair.previous.duplicate_ids
    else:
        before = sum(pq.read_metadata(file).num_rows for file in files[1:])
        duplicates = before  # not counted, so there may be some
    duplicates = duplicates or pair.current.duplicate_ids
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
    landed: Landed, counts: Counter[str], pair: Pair, request: ChangesRequest
) -> ChangesReceipt:
    previous, source = pair.previous, request.source
    return ChangesReceipt(
        **{name: value for name, value in landed._asdict().items() if "partitions" not in name},
        **request.run._replace(conn_id=pair.current.conn_id)._asdict(),
        snapshot_date=pair.current.snapshot_date,
        previous_snapshot_date=str(pair.earlier[-1]) if pair.earlier else None,
        status=pair.current.status,
        rows=counts.total(),
        added=counts[ADDED],
        removed=counts[REMOVED],
        changed_records=counts[CHANGED],
        source_uri=source.uri(partition_file(request.day)),
        source_sha256=pair.current.sha256,
        source_observed_at=pair.current.observed_at,
        previous_uri=source.uri(partition_file(previous.day)) if previous else None,
        previous_sha256=previous.sha256 if previous else None,
        email_mode=pair.current.email_mode,
    )


def _with_etag(receipt: ChangesReceipt, commit: Commit) -> ChangesReceipt:
    """Return the receipt with the version that the store gave to the partition."""
    return replace(receipt, etag=commit.version(partition_file(receipt.day)))
