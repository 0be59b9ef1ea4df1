"""Rows in the forms that warehouses load, in memory that does not grow with the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from mailpartner_provider.lake.parquet import in_row_groups, read_batches, write_rows
from mailpartner_provider.warehouse.statements import ACCOUNT

_BATCH_ROWS = 32_768
_NUL = "\x00"


class CsvRows:
    """The rows of files as CSV for PostgreSQL's COPY, with the account as the first column.

    PostgreSQL texts cannot contain NUL: it is removed, and ``rows_with_nul`` counts the rows.

    :param heartbeat: called before each batch; may raise
    """

    def __init__(self, files: Iterable[Path], account: str, heartbeat: Callable[[], None]) -> None:
        self.rows_with_nul = 0
        self._files = files
        self._account = account
        self._heartbeat = heartbeat

    def __iter__(self) -> Iterator[bytes]:
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        for batch in _rows(self._files, self._account):
            self._heartbeat()
            text = BytesIO()
            csv.write_csv(_with_plain_instants(self._without_nul(batch)), text, options)
            yield text.getvalue()

    def _without_nul(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = batch.columns
        found = pa.array([], pa.bool_())
        for index, column in enumerate(columns):
            if column.type != pa.string():
                continue
            has_nul = pc.fill_null(pc.match_substring(column, _NUL), False)
            if has_nul.true_count:
                columns[index] = pc.replace_substring(column, _NUL, "")
                found = pc.or_(found, has_nul) if len(found) else has_nul
        self.rows_with_nul += found.true_count
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def write_with_account(
    file: Path, account: str, copy: Path, schema: pa.Schema | None = None
) -> None:
    """Write a copy of a Parquet file with the account as its first column.

    :param schema: the same columns with metadata to write; None: without metadata
    """
    schema = schema or pq.read_schema(file).remove_metadata().insert(0, ACCOUNT)
    write_rows(copy, in_row_groups(_rows([file], account), schema), schema)


def _rows(files: Iterable[Path], account: str) -> Iterator[pa.RecordBatch]:
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in read_batches(parquet, rows=_BATCH_ROWS):
                accounts = pc.fill_null(pa.nulls(batch.num_rows, pa.string()), account)
                yield pa.RecordBatch.from_arrays(
                    [accounts, *batch.columns], schema=batch.schema.insert(0, ACCOUNT)
                )


def _with_plain_instants(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Write instants as text; with a time zone, Arrow would take twenty times as long."""
    columns = {
        field.name: pc.binary_join_element_wise(
            column.cast(pa.timestamp("us")).cast(pa.string()), "Z", ""
        )
        if pa.types.is_timestamp(field.type)
        else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    }
    return pa.RecordBatch.from_pydict(columns)
