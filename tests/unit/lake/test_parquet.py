"""Reading Parquet files, and their row groups."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


def test_usual_rows():
    """A row group of usual rows is full, except the last one."""
    batch = pa.record_batch({"text": ["x" * 50] * 1000})

    groups = [group.num_rows for group in in_row_groups([batch] * 300, batch.schema)]

    assert [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 300_000 - 2 * ROW_GROUP_ROWS] == groups


@pytest.mark.parametrize("step", [1, 100, 5000])
def test_wide_rows(step):
    """A row group has a bounded size, whichever batches the rows came in."""
    widths = [40_000 if number % 3 else 0 for number in range(5000)]
    rows = pa.record_batch(
        {"text": [width * "x" or None for width in widths], "id": list(range(5000))}
    )
    batches = [rows.slice(start, step) for start in range(0, 5000, step)]

    groups = list(in_row_groups(batches, rows.schema))

    assert pa.Table.from_batches([rows]) == pa.concat_tables(groups)
    sizes = [sum(len(text or "") for text in group["text"].to_pylist()) for group in groups]
    assert all(0 <= size - ROW_GROUP_BYTES < 40_000 for size in sizes[:-1])
    assert sizes[-1] <= ROW_GROUP_BYTES
