"""Load every day that is landed in Cloud Storage into a BigQuery table.

Triggered by a landing like ``mailpartner_daily_s3``, but with the destination
``gs://google_cloud_default@...`` and the outlet ``mailpartner-unsubscribes-gcs``. The connection
``google_cloud_bigquery_default``, of type Google Bigquery, sets the project, which must contain the
dataset ``mailpartner``. Needs ``pip install apache-airflow-providers-google gcsfs``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

# If ASSERT fails, the script ends before anything has changed.
LOAD = """
CREATE TABLE IF NOT EXISTS mailpartner.unsubscribes (
    account STRING NOT NULL,
    id INT64 NOT NULL,
    email STRING NOT NULL,
    created_at TIMESTAMP,
    snapshot_date DATE NOT NULL,
    extra_fields STRING
)
PARTITION BY snapshot_date;

LOAD DATA OVERWRITE TEMP TABLE landed FROM FILES (format = 'PARQUET', uris = [%(uri)s]);

ASSERT (SELECT count(*) FROM landed) = %(rows)s AS 'More or fewer rows than the receipt says';

BEGIN TRANSACTION;
DELETE FROM mailpartner.unsubscribes
WHERE account = %(conn_id)s AND snapshot_date = %(snapshot_date)s;
INSERT INTO mailpartner.unsubscribes (account, id, email, created_at, snapshot_date, extra_fields)
SELECT %(conn_id)s, id, email, created_at, snapshot_date, extra_fields FROM landed;
COMMIT TRANSACTION;
"""

with DAG(
    dag_id="mailpartner_load_bigquery",
    schedule=[Asset("mailpartner-unsubscribes-gcs")],
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
        """Return the newest receipt of every partition that was landed."""
        name = "triggering_asset_events"
        if name not in context:  # Airflow 2 calls assets datasets
            name = "triggering_dataset_events"
        extras = [event.extra or {} for events in context[name].values() for event in events]
        landed = [extra for extra in extras if "observed_at" in extra]  # others are made by hand
        landed.sort(key=lambda receipt: receipt["observed_at"])
        return list({receipt["uri"]: receipt for receipt in landed}.values())

    SQLExecuteQueryOperator.partial(
        task_id="load",
        conn_id="google_cloud_bigquery_default",
        hook_params={"use_legacy_sql": False, "location": "EU"},
        sql=LOAD,
        split_statements=False,
        do_xcom_push=False,
    ).expand(parameters=receipts())
