"""Databases that are loaded, and what they should hold: read from a lake without the loader."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.operators.unsubscribe_to_sql import UnsubscribeToSqlOperator

CONN_ID = "warehouse"


class Warehouse(Protocol):
    """A database, and Airflow's connection to it."""

    connection: dict[str, Any]

    def query(self, text: str) -> list[tuple]:
        """Run a statement; return its rows."""


class DuckDB:
    """A database file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = {"conn_type": "duckdb", "host": str(file)}

    def query(self, text: str) -> list[tuple]:
        import duckdb

        with duckdb.connect(str(self.file)) as connection:
            return connection.execute(text).fetchall()

    def ingest(self, name: str, rows: pa.Table) -> None:
        """Create a table with these rows."""
        import duckdb

        with duckdb.connect(str(self.file)) as connection:
            connection.register("given", rows)
            connection.execute(f"CREATE TABLE {name} AS FROM given")


class Snowflake:
    """The service as fakesnow knows it, which has to be patched in."""

    connection = {
        "conn_type": "snowflake",
        "login": "x",
        "schema": "public",
        "extra": {"account": "made-up", "database": "lake"},
    }

    def query(self, text: str) -> list[tuple]:
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

        return [tuple(row) for row in SnowflakeHook(CONN_ID).get_records(text)]


def loading(source: Any, dataset: str = "current", **arguments: Any) -> UnsubscribeToSqlOperator:
    """Return the operator that loads a destination."""
    arguments = {"conn_id": CONN_ID, "task_id": "load", **arguments}
    return UnsubscribeToSqlOperator(source=str(source), dataset=dataset, **arguments)


def load(source: Any, dataset: str = "current", **arguments: Any) -> dict[str, Any]:
    """Load a destination as a task does; return the report."""
    return loading(source, dataset, **arguments).execute({})


def rows_of(lake: Path, account: str, days: Iterable[date] | None = None) -> list[tuple]:
    """Read the rows of a folder, by default those of all days with a receipt."""
    if days is None:
        receipts = [json.loads(file.read_text()) for file in lake.glob("_receipts/*.json")]
        days = [date.fromisoformat(receipt["snapshot_date"]) for receipt in receipts]
    files = [lake / f"dt={day}" / "part-00000.parquet" for day in days]
    tables = [pq.read_table(file, partitioning=None) for file in files]
    return [(account, *row.values()) for table in tables for row in table.to_pylist()]


def in_order(rows: Iterable[tuple]) -> list[tuple]:
    """Return rows in an order in which they can be compared."""
    return sorted((tuple(row) for row in rows), key=repr_of)


def repr_of(row: tuple) -> tuple[str, ...]:
    """Return a key to sort rows by, whose values may be null."""
    return tuple(map(str, row))
