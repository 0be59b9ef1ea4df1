"""How Parquet files are written, so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 131_072

#: The columns that repeat; in the others a dictionary would only take space and time.
_REPEATING = {"change", "snapshot_date", "previous_snapshot_date", "extra_fields"}


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
