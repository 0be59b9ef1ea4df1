"""Methods to write the list as Parquet: with this package, and with other tools.

Each runs in a separate process (``python -m benchmarks.methods METHOD BASE_URL FOLDER``), and
prints its time, memory and file size as JSON. Imports are not timed.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

BUCKET = "lake"
KEY = "benchmark-key"
PARIS = "Europe/Paris"

Method = Callable[[str, Path], object]


def mailpartner_provider(bucket: str = "") -> Method:
    """The operator's ``execute``, with all its checks, into a folder or a folder of a bucket."""
    make_airflow_home()
    import mailpartner_provider.hooks.mailpartner
    import mailpartner_provider.operators.arguments
    from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

    def method(base_url: str, folder: Path) -> None:
        os.environ["AIRFLOW_CONN_MAILPARTNER_DEFAULT"] = json.dumps(
            {"conn_type": "mailpartner", "host": base_url, "password": KEY}
        )
        today = datetime.now(ZoneInfo(PARIS)).date().isoformat()
        UnsubscribeToParquetOperator(
            task_id="land", destination=f"{bucket}{folder}", snapshot_date=today, max_rejected=10**9
        ).execute({})

    return method


def mailpartner_provider_s3() -> Method:
    """The same into S3; Airflow's connection ``aws_default`` is in the environment."""
    import airflow.providers.amazon.aws.fs.s3
    import s3fs

    return mailpartner_provider(f"s3://aws_default@{BUCKET}")


def pandas() -> Method:
    """``requests``, ``json()``, ``DataFrame``, ``to_parquet``."""
    import pandas as pd
    import pyarrow.parquet
    import requests

    def method(base_url: str, folder: Path) -> None:
        records = requests.get(f"{base_url}/unsubscribe/list", {"apiKey": KEY}, timeout=60).json()
        frame = pd.DataFrame(records["data"])
        created = pd.to_datetime(frame.pop("createdAt"), format="%Y-%m-%d %H:%M:%S")
        frame["created_at"] = created.dt.tz_localize(
            PARIS, ambiguous=[True] * len(created), nonexistent="shift_forward"
        ).dt.tz_convert("UTC")
        frame.to_parquet(folder / "part.parquet", compression="zstd", index=False)

    return method


def polars() -> Method:
    """``requests``, the records as lines, polars' ``read_ndjson`` with a schema, ``write_parquet``.

    A third faster than polars' ``read_json``.
    """
    import polars as pl
    import requests

    record = {"id": pl.Int64, "email": pl.String, "createdAt": pl.String}

    def method(base_url: str, folder: Path) -> None:
        body = requests.get(f"{base_url}/unsubscribe/list", {"apiKey": KEY}, timeout=60).content
        lines = body[body.index(b"[") + 1 : body.rindex(b"]")].replace(b"},{", b"}\n{")
        frame = pl.read_ndjson(lines, schema=record)
        created = pl.col("createdAt").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us")
        zoned = created.dt.replace_time_zone(PARIS, ambiguous="earliest", non_existent="null")
        frame.select(
            "id", "email", zoned.dt.convert_time_zone("UTC").alias("created_at")
        ).write_parquet(folder / "part.parquet", compression="zstd")

    return method


def duckdb() -> Method:
    """``requests``, a file, DuckDB's ``read_json``, ``COPY``."""
    import duckdb
    import requests

    def method(base_url: str, folder: Path) -> None:
        file = folder / "answer.json"
        with (
            requests.get(
                f"{base_url}/unsubscribe/list", {"apiKey": KEY}, stream=True, timeout=60
            ) as answer,
            file.open("wb") as copy,
        ):
            for chunk in answer.iter_content(2**20):
                copy.write(chunk)
        duckdb.sql(f"""
            COPY (
                SELECT r.id, r.email, timezone('{PARIS}', r.createdAt) AS created_at
                FROM (SELECT unnest(data) AS r FROM read_json(
                    '{file}',
                    columns = {{'data': 'STRUCT(id BIGINT, email VARCHAR, createdAt TIMESTAMP)[]'}},
                    maximum_object_size = {file.stat().st_size + 1}
                ))
            ) TO '{folder}/part.parquet' (COMPRESSION zstd)
        """)
        file.unlink()

    return method


def dlt() -> Method:
    """dlt's REST source and its filesystem destination, as Parquet."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt as tool
    from dlt.sources.rest_api import rest_api_source

    def method(base_url: str, folder: Path) -> None:
        source = rest_api_source(
            {
                "client": {"base_url": base_url, "paginator": "single_page"},
                "resources": [
                    {
                        "name": "unsubscribes",
                        "endpoint": {
                            "path": "unsubscribe/list",
                            "params": {"apiKey": KEY},
                            "data_selector": "data",
                        },
                        "columns": {"createdAt": {"data_type": "timestamp"}},
                    }
                ],
            }
        )
        tool.pipeline(
            "benchmark",
            pipelines_dir=str(folder / "pipelines"),
            destination=tool.destinations.filesystem(bucket_url=str(folder / "lake")),
        ).run(source, loader_file_format="parquet")

    return method


def download() -> Method:
    """The download alone: the bytes are read and discarded."""
    import requests

    def method(base_url: str, folder: Path) -> None:
        with requests.get(f"{base_url}/unsubscribe/list", stream=True, timeout=60) as answer:
            while answer.raw.read(2**20):
                pass

    return method


def parse_and_write() -> Method:
    """A lower bound: parse with pyarrow.json on all cores, then write, without any check."""
    import pyarrow as pa
    import pyarrow.json as pj
    import pyarrow.parquet as pq
    import requests

    schema = pa.schema({"id": pa.int64(), "email": pa.string(), "createdAt": pa.timestamp("us")})

    def method(base_url: str, folder: Path) -> float:
        body = requests.get(f"{base_url}/unsubscribe/list", timeout=60).content
        records = body[body.index(b"[") + 1 : body.rindex(b"]")].replace(b"},{", b"}\n{")
        del body
        began = time.perf_counter()
        table = pj.read_json(
            pa.BufferReader(records),
            read_options=pj.ReadOptions(block_size=2**22),
            parse_options=pj.ParseOptions(explicit_schema=schema),
        )
        pq.write_table(
            table,
            folder / "part.parquet",
            compression="zstd",
            use_dictionary=False,
            row_group_size=2**17,
        )
        return time.perf_counter() - began

    return method


METHODS = {
    "mailpartner-provider": mailpartner_provider,
    "mailpartner-provider, S3": mailpartner_provider_s3,
    "pandas": pandas,
    "polars": polars,
    "DuckDB": duckdb,
    "dlt": dlt,
    "download only": download,
    "parse and write only": parse_and_write,
}


def main(name: str, base_url: str, folder: Path) -> None:
    """Run a method once; print its costs."""
    method = METHODS[name]()
    idle_bytes = memory("VmRSS")
    began, began_cpu = time.perf_counter(), time.process_time()
    own_timing = method(base_url, folder)
    seconds = own_timing or time.perf_counter() - began
    files = [path for path in folder.rglob("*.parquet") if path.is_file()]
    cost = {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - began_cpu,
        "peak_bytes": memory("VmHWM"),
        "idle_bytes": idle_bytes,
        "file_bytes": sum(path.stat().st_size for path in files),
    }
    print(json.dumps(cost), file=sys.__stdout__)


def make_airflow_home() -> None:
    """Make an Airflow home for this process, which is removed when it exits."""
    home = tempfile.mkdtemp(prefix="mailpartner-bench-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")


def memory(field: str) -> int:
    """Read a memory figure of this process from Linux, in bytes."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
