"""Reading Parquet files."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.lake.parquet import read_batches


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
