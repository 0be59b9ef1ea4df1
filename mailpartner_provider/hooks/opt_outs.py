"""Opt-outs collected elsewhere, read from a column of Parquet files or of a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from mailpartner_provider.compat import BaseHook, ObjectStoragePath
from mailpartner_provider.errors import MailPartnerError, WrongArgument
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.words import without_text

_FETCHED_ROWS = 10_000


def read_parquet(uri: str, column: str) -> Iterator[str | None]:
    """Yield a column of a Parquet file, or of all those in a folder.

    :param uri: an absolute local path, or a URI that Airflow can open
    :raises WrongArgument: there is no such column, or it holds no text
    :raises OSError: it cannot be read
    """
    with naming_path("read", uri, Exception):
        path = ObjectStoragePath(uri)
        dataset = ds.dataset(path.path, filesystem=path.fs, format="parquet")
        _check_column(column, dataset.schema.names, uri)
        for file in dataset.get_fragments():  # each has its own columns
            _check_text(column, file.physical_schema, file.path)
            for batch in file.to_batches(columns=[column]):
                yield from batch.column(0).to_pylist()


def read_query(conn_id: str, sql: str, column: str) -> Iterator[str | None]:
    """Yield a column of the rows that a query returns.

    :raises WrongArgument: there is no such column or connection, or the column holds no text
    :raises OSError: the database has refused the query, or broken off
    """
    try:
        hook = BaseHook.get_hook(conn_id)
    except Exception as error:
        raise WrongArgument(f"sql_conn_id: {conn_id!r} cannot be used: {error}") from error
    try:
        yield from _rows(hook, sql, column)
        return
    except MailPartnerError:
        raise
    except Exception as error:
        cause = without_text(error)
    # Outside, because the text and context of the original error may quote a row.
    raise OSError(f"the query with the connection {conn_id} failed: {cause}")


def _rows(hook: Any, sql: str, column: str) -> Iterator[str | None]:
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        names = [each[0] for each in cursor.description or ()]
        index = names.index(_check_column(column, names, "the query"))
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            for row in rows:
                yield _text(row[index], column)


def _check_column(column: str, names: Iterable[str], where: str) -> str:
    if column not in names:
        raise WrongArgument(f"column: {where} has no {column!r}, only {', '.join(names) or 'none'}")
    return column


def _check_text(column: str, schema: pa.Schema, where: str) -> None:
    _check_column(column, schema.names, where)
    kind = schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise WrongArgument(f"column: {column!r} of {where} holds {kind}, not text")


def _text(value: Any, column: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise WrongArgument(
            f"column: {column!r} of the query holds {type(value).__name__}, not text"
        )
    return value
