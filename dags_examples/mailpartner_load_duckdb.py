"""Load every day that is landed into a DuckDB file.

Triggered by ``mailpartner_daily_local``. Files in S3 work too; they are read with the connection
``aws_default``. The Airflow variable ``mailpartner_duckdb`` sets the database file (default:
``/var/lib/lake/unsubscribes.duckdb``). Needs ``pip install duckdb``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import Any

try:
    from airflow.sdk import DAG, Asset, ObjectStoragePath, Variable, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.dag import DAG
    from airflow.models.variable import Variable

TABLE = """
CREATE TABLE IF NOT EXISTS unsubscribes (
    id BIGINT NOT NULL,
    email VARCHAR NOT NULL,
    created_at TIMESTAMPTZ,
    snapshot_date DATE NOT NULL,
    extra_fields VARCHAR
)
"""
DELETE = "DELETE FROM unsubscribes WHERE snapshot_date = ?"
INSERT = "INSERT INTO unsubscribes BY NAME FROM snapshot"
COUNT = "SELECT count(*) FROM unsubscribes WHERE snapshot_date = ?"

with DAG(
    dag_id="mailpartner_load_duckdb",
    schedule=[Asset("mailpartner-unsubscribes")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):

    @task
    def receipts(**context: Any) -> list[dict[str, Any]]:
        """Return the newest receipt of every day that was landed."""
        name = "triggering_asset_events"
        if name not in context:  # Airflow 2 calls assets datasets
            name = "triggering_dataset_events"
        landed = [event.extra for events in context[name].values() for event in events]
        landed.sort(key=itemgetter("observed_at"))
        return list({receipt["snapshot_date"]: receipt for receipt in landed}.values())

    @task
    def load(receipt: dict[str, Any]) -> None:
        """Replace the day in one transaction, or leave it as it was."""
        import duckdb
        import pyarrow.dataset as ds

        path = ObjectStoragePath(receipt["uri"], conn_id="aws_default")
        snapshot = ds.dataset(path.path, filesystem=path.fs)
        file = Variable.get("mailpartner_duckdb", "/var/lib/lake/unsubscribes.duckdb")
        day = [receipt["snapshot_date"]]
        with duckdb.connect(file) as connection:
            connection.execute(TABLE)
            connection.begin()
            connection.execute(DELETE, day)
            connection.register("snapshot", snapshot)
            connection.execute(INSERT)
            (rows,) = connection.execute(COUNT, day).fetchone()
            if rows != receipt["rows"]:
                raise ValueError(f"{rows} rows were loaded, but the receipt says {receipt['rows']}")
            connection.commit()
        print(f"Loaded {rows} rows of {receipt['snapshot_date']} into {file}")

    load.expand(receipt=receipts())
