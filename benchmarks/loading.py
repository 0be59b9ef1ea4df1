"""What a load costs by the length of the list: ``python -m benchmarks.loading [RECORDS ...]``.

Loads a snapshot into DuckDB and into PostgreSQL, each in a new process, and prints seconds and peak
memory as JSON, beside PostgreSQL's COPY of a ready CSV file, which is the least that it takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from benchmarks.methods import memory
from tests.support.postgres import Postgres

DAY = date(2026, 11, 22)
BATCH = 131_072


def main(lengths: list[int]) -> None:
    """Measure each length, with each way to load."""
    with tempfile.TemporaryDirectory(prefix="mailpartner-bench-") as folder, Postgres() as server:
        for records in lengths:
            lake = Path(folder) / f"lake-{records}"
            make_lake(lake, records)
            duckdb = {"conn_type": "duckdb", "host": str(lake / "warehouse.duckdb")}
            ways = {"duckdb": duckdb, "postgres": server.connection, "copy": server.connection}
            for way, connection in ways.items():
                os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(connection)
                for table in ("unsubscribes", "unsubscribes_loaded"):
                    server.query(f"DROP TABLE IF EXISTS {table}")
                for when in ("first", "again"):
                    command = [sys.executable, "-m", "benchmarks.loading", "--of", way, str(lake)]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    result = json.loads(done.stdout.splitlines()[-1])
                    row = {"records": records, "way": way, "run": when, **result}
                    print(json.dumps(row), flush=True)


def make_lake(lake: Path, records: int) -> None:
    """Write a snapshot of made-up people with its receipt, and the same rows as CSV."""
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    from mailpartner_provider.lake.parquet import in_row_groups, write_rows
    from mailpartner_provider.lake.scratch import digest
    from mailpartner_provider.schemas import snapshot_schema
    from tests.support.receipts import RECEIPT

    file = lake / f"dt={DAY}" / "part-00000.parquet"
    file.parent.mkdir(parents=True)
    (lake / "_receipts").mkdir()
    write_rows(file, in_row_groups(batches(records), snapshot_schema()), snapshot_schema())
    receipt = replace(RECEIPT, snapshot_date=str(DAY), rows=records, sha256=digest(file))
    (lake / "_receipts" / f"dt={DAY}.json").write_text(receipt.to_json())
    with (lake / "rows.csv").open("wb") as rows:
        for batch in pq.ParquetFile(file).iter_batches(BATCH):
            csv.write_csv(batch, rows, csv.WriteOptions(include_header=False))


def batches(records: int) -> Iterator:
    """Yield the rows of a snapshot of made-up people."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from mailpartner_provider.schemas import snapshot_schema

    for first in range(0, records, BATCH):
        count = min(BATCH, records - first)
        ids = pa.array(range(first, first + count), pa.int64())
        emails = pc.binary_join_element_wise("person.", ids.cast(pa.string()), "@example.org", "")
        seconds = pc.multiply(ids, 1_000_000).cast(pa.timestamp("us", tz="UTC"))
        columns = [ids, emails, seconds, pa.array([DAY] * count), pa.nulls(count, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, schema=snapshot_schema())


def measure(way: str, lake: Path) -> None:
    """Load again whatever was loaded before; print seconds, and the peak memory in MB."""
    began = time.monotonic()
    if way == "copy":
        copy(lake / "rows.csv")
    else:
        load(lake)
    seconds = time.monotonic() - began
    peak_mb = memory("VmHWM") // 2**20  # ru_maxrss begins at the peak of the process before
    print(json.dumps({"seconds": round(seconds, 1), "peak_mb": peak_mb}), file=sys.__stdout__)


def copy(rows: Path) -> None:
    """Load a CSV file as PostgreSQL's own tools do."""
    from airflow.providers.common.compat.sdk import BaseHook

    with BaseHook.get_connection("warehouse").get_hook().get_conn() as connection:
        cursor = connection.cursor()
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS unsubscribes (id BIGINT, email TEXT, "
            "created_at TIMESTAMPTZ, snapshot_date DATE, extra_fields TEXT)"
        )
        cursor.execute("DELETE FROM unsubscribes")
        with rows.open("rb") as file, cursor.copy("COPY unsubscribes FROM STDIN CSV") as into:
            while chunk := file.read(2**20):
                into.write(chunk)


def load(lake: Path) -> None:
    """Load a lake; rows that were loaded before are replaced."""
    from mailpartner_provider.hooks.storage import open_destination
    from mailpartner_provider.hooks.warehouse import connection_type, open_warehouse
    from mailpartner_provider.warehouse.dialects import DIALECTS
    from mailpartner_provider.warehouse.loading import load
    from mailpartner_provider.warehouse.request import LoadRequest
    from mailpartner_provider.warehouse.session import Session, Stop

    dialect = DIALECTS[connection_type("warehouse")]
    with open_warehouse("warehouse", None) as (connection, cursor):
        session = Session(connection, cursor, "warehouse", dialect.begin, Stop())
        if session.names("SELECT * FROM unsubscribes_loaded WHERE 1 = 0"):
            session.execute("UPDATE", "UPDATE unsubscribes_loaded SET sha256 = ''")
            session.commit()
        load(
            LoadRequest(open_destination(str(lake)), "current", "unsubscribes"),
            session,
            dialect,
            Stop(),
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main([int(each) for each in sys.argv[1:]] or [1_000_000, 10_000_000])
