"""How Parquet files are written, so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 131_072

_EPOCH = date(1970, 1, 1)
#: The columns that repeat; in the others a dictionary would only take space and time.
_REPEATING = {"change", "snapshot_date", "previous_snapshot_date", "created_date", "extra_fields"}


def open_writer(file: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Begin a file."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,  # a fifth smaller than level 1, as fast
        use_dictionary=[name for name in schema.names if name in _REPEATING],
        write_page_index=True,
    )


def in_row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut rows at fixed counts, each in one piece, so that it does not matter how they arrived."""
    held = pa.Table.from_batches([], schema)
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while held.num_rows >= ROW_GROUP_ROWS:
            yield held.slice(0, ROW_GROUP_ROWS).combine_chunks()
            held = held.slice(ROW_GROUP_ROWS)
    if held.num_rows:
        yield held.combine_chunks()


def schema_with_day(schema: pa.Schema, field: pa.Field) -> pa.Schema:
    """Give the columns with a further one, for the day of the partition, behind ``created_at``."""
    return schema.insert(schema.get_field_index("created_at") + 1, field)


def with_day(rows: pa.Table, day: date | None, schema: pa.Schema) -> pa.Table:
    """Add the column that ``schema_with_day`` has made room for."""
    columns = rows.columns
    columns.insert(schema.names.index("created_at") + 1, _repeated(day, rows.num_rows))
    return pa.Table.from_arrays(columns, schema=schema)


def _repeated(day: date | None, count: int) -> pa.Array:
    if day is None:
        return pa.nulls(count, pa.date32())
    days = (day - _EPOCH).days.to_bytes(4, "little", signed=True) * count
    # From a buffer, because pa.repeat would import pandas: a third of a second in every process.
    return pa.Array.from_buffers(pa.date32(), count, [None, pa.py_buffer(days)])
