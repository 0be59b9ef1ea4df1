"""Engines that read a Delta or an Iceberg table, beside the library that wrote it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.project import PROJECT

COLUMNS = "account, id, email, created_at, snapshot_date, extra_fields"
PYTHON = PROJECT / ".venv-duckdb" / "bin" / "python"
SCRIPT = """
import sys
from pathlib import Path
import duckdb, duckdb_ext
(packages,) = duckdb_ext.__path__
with duckdb.connect(config={"extension_directory": str(Path(packages, "extensions"))}) as engine:
    engine.execute(sys.argv[1])
"""


def by_duckdb(form: str, table: Path) -> list[tuple]:
    """Read a table with DuckDB: of Iceberg, its metadata file is named."""
    if not PYTHON.exists():
        pytest.fail("DuckDB's extensions are needed: make .venv-duckdb/ready")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        query = f"SELECT {COLUMNS} FROM {form}_scan('{table}')"
        statement = f"LOAD {form}; COPY ({query}) TO '{file.name}'"
        subprocess.run([PYTHON, "-c", SCRIPT, statement], check=True)
        return _rows(pq.read_table(file.name))


def by_clickhouse(function: str, table: Path) -> list[tuple]:
    """Read a table with ClickHouse, which reads files below the working directory only."""
    import chdb

    query = f"SELECT {COLUMNS} FROM {function}('{table}')"
    return _rows(pa.table(chdb.query(query, "ArrowTable")))


def by_polars(table: Path) -> list[tuple]:
    """Read a Delta table with Polars."""
    import polars

    return _rows(polars.scan_delta(str(table)).select(COLUMNS.split(", ")).collect().to_arrow())


def _rows(found: pa.Table) -> list[tuple]:
    return [tuple(row.values()) for row in found.to_pylist()]
