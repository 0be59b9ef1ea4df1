"""Parquet files: reading, and verified writing in which the same rows make the same bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.schemas import REPETITIVE

ROW_GROUP_ROWS = 131_072
ROW_GROUP_BYTES = 64 * 2**20  # usual rows have a tenth of it; it is in memory several times

_MEASURABLE_ROWS = 1024
_EPOCH = date(1970, 1, 1)
_STATUS, _BACKDATED = b"mailpartner.status", b"backdated"


def write_rows(file: Path, row_groups: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write a Parquet file, read its footer back, and return the number of rows.

    Each row group is written in a thread, while the next one is made.

    :param row_groups: tables with these columns, as ``in_row_groups`` cuts them
    :raises OSError: the file cannot be written, or does not hold what was written
    """
    rows = 0
    with open_writer(file, schema) as writer, ThreadPoolExecutor(1) as pool:
        writing: Future[None] | None = None
        for row_group in row_groups:
            if writing:
                writing.result()
            writing = pool.submit(writer.write_table, row_group, row_group_size=ROW_GROUP_ROWS)
            rows += row_group.num_rows
        if writing:
            writing.result()
    footer = pq.ParquetFile(file)
    if footer.metadata.num_rows != rows or footer.schema_arrow != schema:
        raise OSError(f"{rows} rows were written, and the file does not hold them")
    return rows


def open_writer(file: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a Parquet file for writing."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,  # a fifth smaller than level 1, as fast
        use_dictionary=[name for name in schema.names if name in REPETITIVE],
        write_page_index=True,
    )


def read_batches(
    parquet: pq.ParquetFile, columns: Sequence[str] | None = None, rows: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Iterate over the rows of a file, one row group at a time.

    pyarrow reads ahead all row groups that it is asked for, which can be the whole file.
    """
    for row_group in range(parquet.num_row_groups):
        yield from parquet.iter_batches(rows or ROW_GROUP_ROWS, [row_group], columns)


def in_row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut rows into tables of ``ROW_GROUP_ROWS`` rows, or fewer with ``ROW_GROUP_BYTES`` of text.

    The cuts do not depend on the batches, because the same rows must make the same bytes.
    """
    held, size = pa.Table.from_batches([], schema), 0
    for rows in _measurable(batches, schema):
        held = pa.concat_tables([held, rows])
        size += _text_bytes(rows)
        while size >= ROW_GROUP_BYTES or held.num_rows >= ROW_GROUP_ROWS:
            count = _first_rows(held, size)
            yield held.slice(0, count).combine_chunks()
            held = held.slice(count)
            size = _text_bytes(held)
    if held.num_rows:
        yield held.combine_chunks()


def marked_backdated(schema: pa.Schema) -> pa.Schema:
    """Return the schema with metadata that marks a file as a backdated snapshot."""
    return schema.with_metadata({_STATUS: _BACKDATED})


def is_marked_backdated(file: Path) -> bool:
    """Return whether the metadata of a file marks it as a backdated snapshot."""
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, ValueError):
        return False  # it is damaged
    return metadata.get(_STATUS) == _BACKDATED


def with_day(rows: pa.Table, day: date | None, schema: pa.Schema) -> pa.Table:
    """Insert the day's column after ``created_at``; ``schema`` has the columns with it."""
    columns = rows.columns
    columns.insert(schema.names.index("created_at") + 1, _repeated(day, rows.num_rows))
    return pa.Table.from_arrays(columns, schema=schema)


def _repeated(day: date | None, count: int) -> pa.Array:
    if day is None:
        return pa.nulls(count, pa.date32())
    days = (day - _EPOCH).days.to_bytes(4, "little", signed=True) * count
    # From a buffer, because pa.repeat would import pandas: a third of a second in every process.
    return pa.Array.from_buffers(pa.date32(), count, [None, pa.py_buffer(days)])


def _measurable(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Join batches that are too small to measure one by one."""
    joined: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        joined.append(batch)
        rows += batch.num_rows
        if rows >= _MEASURABLE_ROWS:
            yield pa.Table.from_batches(joined, schema)
            joined, rows = [], 0
    yield pa.Table.from_batches(joined, schema)


def _first_rows(rows: pa.Table, size: int) -> int:
    """Return how many of these rows, which have ``size`` bytes of text, are a row group."""
    if size < ROW_GROUP_BYTES:
        return ROW_GROUP_ROWS
    first = rows.slice(0, ROW_GROUP_ROWS)
    lengths = [pc.fill_null(pc.binary_length(column), 0) for column in _texts(first)]
    sizes = pc.cumulative_sum(functools.reduce(pc.add, lengths).cast(pa.int64()))
    count: int = min(pc.sum(pc.less(sizes, ROW_GROUP_BYTES)).as_py() + 1, first.num_rows)
    return count


def _text_bytes(rows: pa.Table) -> int:
    return sum(pc.sum(pc.binary_length(column)).as_py() or 0 for column in _texts(rows))


def _texts(rows: pa.Table) -> list[pa.ChunkedArray]:
    return [column for column in rows.columns if column.type == pa.string()]
