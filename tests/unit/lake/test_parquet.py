"""Reading Parquet files, and their row groups."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.lake.parquet import (
    ROW_GROUP_BYTES,
    ROW_GROUP_ROWS,
    in_row_groups,
    read_batches,
)


def test_memory(tmp_path):
    """A file is read in the memory of a few row groups, not of the whole file."""
    file = tmp_path / "rows.parquet"
    rows = pa.table({"text": pa.array(os.urandom(32).hex() for _ in range(100_000))})
    pq.write_table(rows, file, row_group_size=1_000, use_dictionary=False)
    del rows

    before, most, count = pa.total_allocated_bytes(), 0, 0
    with pq.ParquetFile(file) as parquet:
        for batch in read_batches(parquet):
            count += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - before)

    assert count == 100_000
    assert most < file.stat().st_size / 4


def test_wide_rows():
    """Row groups have a bounded size, however wide the rows are; usual rows only count."""
    usual, wide = (pa.record_batch({"text": ["x" * size] * 1000}) for size in (50, 100_000))

    for batch, count in ((usual, 300), (wide, 2)):
        groups = list(in_row_groups([batch] * count, batch.schema))

        assert count * 1000 == sum(group.num_rows for group in groups)
        assert max(group.nbytes for group in groups) < ROW_GROUP_BYTES + batch.nbytes
        full = {group.num_rows for group in groups[:-1]}
        assert full == {ROW_GROUP_ROWS if batch is usual else 1000}
