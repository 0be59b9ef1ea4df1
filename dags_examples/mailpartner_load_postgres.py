"""Load every day that is landed in S3 into a PostgreSQL table.

Triggered by ``mailpartner_daily_s3``. Uses the connections ``postgres_default`` for the database
and ``aws_default`` for the bucket. The rows are sent in bulk, from Arrow by a binary COPY.
PostgreSQL has no text with a NUL in it: such a row is loaded into ``unsubscribes_rejected``, its
e-mail as bytes, and counted in the log.
Needs ``pip install apache-airflow-providers-postgres adbc-driver-postgresql``.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import Any

try:
    from airflow.sdk import DAG, Asset, ObjectStoragePath, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.dag import DAG
try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 2 and 3.0
    from airflow.hooks.base import BaseHook

TABLE = """
CREATE TABLE IF NOT EXISTS unsubscribes (
    id BIGINT NOT NULL,
    email TEXT NOT NULL,
    created_at TIMESTAMPTZ,
    snapshot_date DATE NOT NULL,
    extra_fields TEXT
)
"""
REJECTED = TABLE.replace("unsubscribes", "unsubscribes_rejected").replace(
    "email TEXT", "email BYTEA"
)
INDEX = "CREATE INDEX IF NOT EXISTS unsubscribes_by_day ON unsubscribes (snapshot_date)"
DELETE = "DELETE FROM unsubscribes WHERE snapshot_date = $1::date"
DELETE_REJECTED = DELETE.replace("unsubscribes", "unsubscribes_rejected")
COUNT = "SELECT count(*) FROM unsubscribes WHERE snapshot_date = $1::date"

log = logging.getLogger(__name__)

with DAG(
    dag_id="mailpartner_load_postgres",
    schedule=[Asset("mailpartner-unsubscribes-s3")],
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
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.dataset as ds
        from adbc_driver_postgresql import dbapi

        path = ObjectStoragePath(receipt["uri"], conn_id="aws_default")
        snapshot = ds.dataset(path.path, filesystem=path.fs)
        database = BaseHook.get_connection("postgres_default").get_uri()
        day = [receipt["snapshot_date"]]
        has_nul = pc.match_substring(ds.field("email"), "\x00")
        with dbapi.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute(REJECTED)
            cursor.execute(INDEX)
            cursor.execute(DELETE, day)
            cursor.execute(DELETE_REJECTED, day)
            loadable = snapshot.scanner(filter=~has_nul).to_reader()
            cursor.adbc_ingest("unsubscribes", loadable, mode="append")
            cursor.execute(COUNT, day)
            (rows,) = cursor.fetchone()
            if rows < receipt["rows"] and (rejected := snapshot.to_table(filter=has_nul)):
                emails = rejected.column("email").cast(pa.binary())
                rejected = rejected.set_column(1, "email", emails)
                cursor.adbc_ingest("unsubscribes_rejected", rejected, mode="append")
                log.warning(
                    "%d of %d rows have an e-mail with a NUL, and are in unsubscribes_rejected",
                    len(rejected),
                    receipt["rows"],
                )
                rows += len(rejected)
            if rows != receipt["rows"]:
                raise ValueError(f"{rows} rows were loaded, but the receipt says {receipt['rows']}")
            connection.commit()
        log.info("Loaded %d rows of %s", rows, receipt["snapshot_date"])

    load.expand(receipt=receipts())
