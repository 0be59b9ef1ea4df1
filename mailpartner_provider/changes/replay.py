"""The list that landed changes produce when they are applied in order to an empty list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.errors import BadData, Conflict
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import receipt_of
from mailpartner_provider.lake.names import partition_file
from mailpartner_provider.lake.parquet import in_row_groups, read_batches, write_rows
from mailpartner_provider.lake.receipts import ChangesReceipt
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.privacy.erasure_list import ErasureList

_OF_CHANGES = ("change", "previous_snapshot_date")


def replay(
    commit: Commit, days: Sequence[date], comparison: Comparison, scratch: Path, erased: ErasureList
) -> Path:
    """Write the list that the changes of these days produce, with the columns of a snapshot.

    :param days: all days with changes before the one to land, in order
    :raises BadData: the first changes are not a whole list, or a partition cannot be read
    :raises Conflict: another task has just removed a partition
    :raises LandingStopped: the comparison was stopped
    :raises OSError: a partition cannot be fetched, or the list cannot be written
    """
    _require_whole_list(commit, days)
    files = [_fetch(commit, day, scratch) for day in days]
    columns = pq.read_schema(files[-1]).remove_metadata()
    schema = pa.schema([field for field in columns if field.name not in _OF_CHANGES])
    file = scratch / "replayed.parquet"
    _write(comparison.replayed(files, schema.names, scratch), file, schema, erased)
    return file


def redacted(snapshot: Path, erased: ErasureList) -> Path:
    """Write a copy of a snapshot with erased people redacted, as they are in landed changes."""
    file = snapshot.with_name(f"redacted-{snapshot.name}")
    parquet = pq.ParquetFile(snapshot)
    _write(read_batches(parquet), file, parquet.schema_arrow, erased)
    return file


def _require_whole_list(commit: Commit, days: Sequence[date]) -> None:
    """Check that the first changes are a whole list: a comparison with an empty one."""
    first = receipt_of(commit, days[0])
    if isinstance(first, ChangesReceipt) and first.previous_snapshot_date:
        raise BadData(
            f"{commit.uri('')} does not begin with a whole list, and the snapshot of {days[-1]} is "
            "no longer the one that it leads to: restore that, or begin a new folder of changes",
            day=days[-1],
        )


def _fetch(commit: Commit, day: date, scratch: Path) -> Path:
    name, file = partition_file(day), scratch / f"changes-{day}.parquet"
    if not commit.fetch(name, file):
        raise Conflict(f"{commit.uri(name)} has just been removed by another task")
    try:
        pq.read_metadata(file)
    except (OSError, ValueError):
        raise BadData(
            f"{commit.uri(name)} cannot be read: restore it, or begin a new folder of changes",
            day=day,
        ) from None
    return file


def _write(
    batches: Iterable[pa.RecordBatch], file: Path, schema: pa.Schema, erased: ErasureList
) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch.column(field.name).cast(field.type) for field in schema]
            rows = pa.RecordBatch.from_arrays(columns, schema=schema)
            yield erased.redact(rows).rows if erased.hashes else rows

    with naming_path("write scratch files in", file.parent):
        write_rows(file, in_row_groups(rows(), schema), schema)
