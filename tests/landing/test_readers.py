"""What lies in a destination, read by many engines: the same rows, types and days for all."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mailpartner_provider.testing.server import StandIn
from tests.support.api import THREE
from tests.support.days import days_ago, today, yesterday
from tests.support.lake import files, partition_name, quarantine_name, receipt_name
from tests.support.landing import land

ZONE = "Asia/Tokyo"  # of the engines' sessions: an instant does not depend on it

INSTANT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        "dt": pa.date32(),
        "id": pa.int64(),
        "email": pa.string(),
        "created_at": INSTANT,
        "snapshot_date": pa.date32(),
        "extra_fields": pa.string(),
    }
)


@pytest.fixture(scope="module")
def destination(tmp_path_factory):
    """An empty day; a day of three people, one without a date; and a day with a quarantine, an
    unknown field, and a date that is none."""
    root = tmp_path_factory.mktemp("lake") / "unsubscribes"
    odd = {"id": 21, "email": "dora@example.com", "createdAt": "0000-00-00 00:00:00", "why": "☂"}
    with StandIn() as api, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)
        land(root, days_ago(2))
        api.unsubscribes = THREE
        land(root, yesterday())
        api.unsubscribes = [*THREE, odd, {"id": 1}]
        land(root, max_rejected=1)
    assert {
        *(partition_name(day) for day in (days_ago(2), yesterday(), today())),
        *(receipt_name(day) for day in (days_ago(2), yesterday(), today())),
        quarantine_name(),
    } == set(files(root))
    return root


def people_of(day: date) -> list[dict[str, Any]]:
    """Return the rows of the three people."""
    summer = datetime(2015, 7, 20, 8, 19, 45, tzinfo=timezone.utc)
    repeated_hour = datetime(2025, 10, 26, 0, 30, tzinfo=timezone.utc)
    return [
        row(day, 19, "anne@example.com", summer),
        row(day, 20, "björn@example.com", None),
        row(day, 9007199254740993, "Carla@Example.com", repeated_hour),
    ]


def row(day: date, *values: Any, extra_fields: str | None = None) -> dict[str, Any]:
    return dict(zip(SCHEMA.names, (day, *values, day, extra_fields), strict=True))


def by_pyarrow(root: Path) -> pa.Table:
    import pyarrow.dataset as ds

    key = ds.partitioning(pa.schema([("dt", pa.date32())]), flavor="hive")
    return ds.dataset(root, partitioning=key).to_table()


def by_pandas(root: Path) -> pa.Table:
    import pandas as pd

    frame = pd.read_parquet(root, dtype_backend="pyarrow")
    frame["dt"] = frame["dt"].astype("string[pyarrow]").astype("date32[pyarrow]")  # was a category
    return pa.Table.from_pandas(frame, preserve_index=False)


def by_polars(root: Path) -> pa.Table:
    import polars as pl

    return pl.read_parquet(f"{root}/dt=*/*.parquet", hive_partitioning=True).to_arrow()


def by_duckdb(root: Path) -> pa.Table:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{ZONE}'")
        return connection.sql(f"FROM read_parquet('{root}/dt=*/*.parquet')").to_arrow_table()


def by_clickhouse(root: Path) -> pa.Table:
    import chdb

    source = f"file('{root}/dt=*/*.parquet', Parquet)"
    return chdb.query(f"SELECT * FROM {source} SETTINGS session_timezone = '{ZONE}'", "ArrowTable")


def by_spark(root: Path) -> pa.Table:
    from tests.support.spark import spark

    with spark() as session:
        session.conf.set("spark.sql.session.timeZone", ZONE)
        return session.read.parquet(str(root)).toArrow()


@pytest.mark.parametrize(
    "read",
    [
        by_pyarrow,
        by_pandas,
        pytest.param(by_polars, marks=pytest.mark.engine),
        by_duckdb,
        pytest.param(by_clickhouse, marks=pytest.mark.engine),
        pytest.param(by_spark, marks=pytest.mark.engine),
    ],
)
def test_read(destination, read):
    """Every engine finds the same columns of the same types, each row with its day, and neither
    receipts nor quarantine; the empty day has no rows, and spoils nothing."""
    table = read(destination)

    assert {field.name: field.type for field in SCHEMA} == {
        field.name: plain(field.type) for field in table.schema
    }
    *before, last = people_of(today())
    why = '{"why":"\\u2602","createdAt":"0000-00-00 00:00:00"}'
    dora = row(today(), 21, "dora@example.com", None, extra_fields=why)
    found = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
    assert [*people_of(yesterday()), *before, dora, last] == sorted(
        found, key=lambda row: (row["dt"], row["id"])
    )


def plain(kind: pa.DataType) -> pa.DataType:
    """Return one type for those that engines have several of: texts, and instants in any zone."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, tz="UTC")
    return kind
