"""What a load sends to monitoring: lineage to OpenLineage, metrics to StatsD."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailpartner_provider.hooks.warehouse import openlineage_name
from tests.support import icebergs
from tests.support.changes import ANNE, BJORN
from tests.support.days import days_ago, today, yesterday
from tests.support.docs import PAGES
from tests.support.landing import land
from tests.support.postgres import LOGIN
from tests.support.snapshots import put_snapshot
from tests.support.telemetry import columns, names, statistics, told
from tests.support.warehouses import CONN_ID, loading

COLUMNS = ["account", "id", "email", "created_at", "snapshot_date", "extra_fields"]


@pytest.fixture
def two_days(lake):
    """Two people of yesterday, and one of today."""
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE])
    return lake


def partitions(lake, *days):
    return [("file", str(lake.partition(day))) for day in days]


def named_by_airflow(table):
    """Return the outputs that Airflow's own operator names when it inserts into a table."""
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

    sql = f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0"
    insert = SQLExecuteQueryOperator(task_id="insert", conn_id=CONN_ID, sql=sql)
    insert.execute({})
    outputs = insert.get_openlineage_facets_on_complete(None).outputs
    return [(each.namespace, each.name) for each in outputs]


def types(*kinds):
    return list(zip(COLUMNS, kinds, strict=True))


@pytest.mark.usefixtures("database")
class TestLineage:
    def test_duckdb(self, two_days, duckdb_file):
        """A load goes from the days that it loaded into its table, with columns and rows."""
        event = told("load", loading(two_days, "snapshots"))

        assert partitions(two_days, yesterday(), today()) == names(event["inputs"])
        table = (f"duckdb://{duckdb_file.file}", "warehouse.main.unsubscribes")
        assert [table] == names(event["outputs"])
        assert 3 == statistics(event)["rowCount"]
        kinds = ("VARCHAR", "BIGINT", "VARCHAR", "TIMESTAMPTZ", "DATE", "VARCHAR")
        assert types(*kinds) == columns(event)

    @pytest.mark.parametrize("dataset", ["current", "receipts"])
    def test_sources(self, api, lake, duckdb_file, dataset):
        """The source of a landed list is what its landing named, and of a receipt that receipt."""
        land(lake, partition_by="created")

        event = told("load", loading(lake, dataset))

        expected = {"current": lake.destination, "receipts": str(lake.receipt_path())}
        assert [("file", expected[dataset])] == names(event["inputs"])

    def test_many_days(self, lake, duckdb_file):
        """Of a hundred days each is an input; of more, the folder in which they are."""
        for number in range(100):
            put_snapshot(lake.folder, days_ago(number), [ANNE])
        task = loading(lake, "snapshots")
        task.execute({})
        assert 100 == len(task.get_openlineage_facets_on_complete(None).inputs)

        put_snapshot(lake.folder, days_ago(100), [ANNE])
        task = loading(lake, "snapshots", table="another")
        task.execute({})

        (source,) = task.get_openlineage_facets_on_complete(None).inputs
        assert ("file", lake.destination) == (source.namespace, source.name)

    def test_nothing_new(self, two_days, duckdb_file):
        """A load that finds nothing new sends no lineage."""
        loading(two_days).execute({})

        event = told("load", loading(two_days))

        assert ([], []) == (event["inputs"], event["outputs"])

    def test_unknown(self, two_days, duckdb_file, monkeypatch):
        """A load whose table cannot be named ends well, and sends no lineage."""

        def disconnect(context):
            connection = json.dumps({"conn_type": "unheard-of"})
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)

        event = told("load", loading(two_days, on_success_callback=disconnect))

        assert ([], []) == (event["inputs"], event["outputs"])
        assert 1 == len(duckdb_file.query("FROM unsubscribes"))

    @pytest.mark.engine
    @pytest.mark.parametrize("table", ["unsubscribes", "mailing.unsubscribes"])
    def test_postgres(self, two_days, postgres, table):
        """A table of PostgreSQL is in its database and its schema."""
        postgres.query("CREATE SCHEMA IF NOT EXISTS mailing")

        event = told("load", loading(two_days, table=table))

        assert partitions(two_days, today()) == names(event["inputs"])
        name = "postgres." + (table if "." in table else f"public.{table}")
        assert [(f"postgres://127.0.0.1:{postgres.port}", name)] == names(event["outputs"])
        assert named_by_airflow(table) == names(event["outputs"])
        assert 1 == statistics(event)["rowCount"]
        assert types("TEXT", "BIGINT", "TEXT", "TIMESTAMPTZ", "DATE", "TEXT") == columns(event)
        assert LOGIN not in json.dumps(event["outputs"])

    @pytest.mark.engine
    def test_snowflake(self, two_days, snowflake):
        """A table of Snowflake is named in upper case."""
        task = loading(two_days)
        task.execute({})

        (output,) = task.get_openlineage_facets_on_complete(None).outputs

        assert "LAKE.PUBLIC.UNSUBSCRIBES" == output.name
        assert named_by_airflow("unsubscribes") == [(output.namespace, output.name)]

    @pytest.mark.engine
    def test_iceberg(self, two_days, iceberg):
        """An Iceberg table is named by the folder of its files, as Spark names it."""
        event = told("load", icebergs.loading(two_days))

        assert partitions(two_days, yesterday(), today()) == names(event["inputs"])
        folder = iceberg.table().location().removeprefix("file://")
        assert Path(folder).is_dir()
        assert [("file", folder)] == names(event["outputs"])
        assert 3 == statistics(event)["rowCount"]
        assert types("string", "long", "string", "timestamptz", "date", "string") == columns(event)


class TestNames:
    def test_redshift(self, monkeypatch):
        """A table of Redshift is in its cluster and its database."""
        host = "lake.abc123.eu-west-3.redshift.amazonaws.com"
        connection = {"conn_type": "redshift", "host": host, "schema": "dev", "login": "x"}
        monkeypatch.setenv("AIRFLOW_CONN_REDSHIFT", json.dumps(connection))

        assert ("redshift://lake.eu-west-3:5439", "dev.mailing.unsubscribes") == openlineage_name(
            "redshift", None, "mailing.Unsubscribes"
        )
        _, name = openlineage_name("redshift", None, "other.mailing.unsubscribes")
        assert "other.mailing.unsubscribes" == name

    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ("unsubscribes", "lake.main.unsubscribes"),
            ("mailing.unsubscribes", "lake.mailing.unsubscribes"),
            ("other.mailing.unsubscribes", "other.mailing.unsubscribes"),
        ],
    )
    def test_duckdb(self, monkeypatch, table, expected):
        """A table of DuckDB is in its file, without what may follow the name of that."""
        connection = {"conn_type": "duckdb", "host": "/data/lake.duckdb?token=secret"}
        monkeypatch.setenv("AIRFLOW_CONN_DUCKDB", json.dumps(connection))

        assert ("duckdb:///data/lake.duckdb", expected) == openlineage_name("duckdb", None, table)

    def test_no_convention(self, monkeypatch):
        """A hook that does not know how OpenLineage names its tables has no name for a table."""
        monkeypatch.setenv("AIRFLOW_CONN_SQLITE", json.dumps({"conn_type": "sqlite", "host": "x"}))

        assert openlineage_name("sqlite", None, "unsubscribes") is None


LOAD = """
import sys
from tests.support.runs import start_metrics
from tests.support.pushing import run_of
from tests.support.warehouses import loading

start_metrics()
loading(sys.argv[1], "snapshots", account="hats").execute(run_of())
"""


def test_metrics(two_days, duckdb_file, metrics):
    """A load sends the rows and days that it loaded, and its duration, tagged; one that finds
    nothing new sends zeros."""
    _, found = metrics.sent_by(LOAD, str(two_days), 3)

    tags = {"dag_id=dag", "task_id=push", "conn_id=hats"}
    assert found.pop("load.duration")[0].endswith("|ms")
    assert {"load.rows": ("3|g", tags), "load.days": ("2|g", tags)} == found
    documented = PAGES["docs/guides/airflow.md"]
    assert all(f"`mailpartner.load.{name}`" in documented for name in ("rows", "days", "duration"))

    _, found = metrics.sent_by(LOAD, str(two_days), 3)
    assert {"load.rows": ("0|g", tags), "load.days": ("0|g", tags)}.items() <= found.items()
