"""Load the current list into BigQuery whenever it was landed in Cloud Storage.

Triggered by a landing like ``mailpartner_daily_s3``, but with the destination that ``load`` reads
and the outlet ``mailpartner-unsubscribes-gcs``. The connection ``google_cloud_bigquery_default``
sets the project, which must contain the dataset ``mailpartner``. Needs the extra ``gcs``.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset, ObjectStoragePath, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.dag import DAG

with DAG(
    dag_id="mailpartner_load_bigquery",
    schedule=[Asset("mailpartner-unsubscribes-gcs")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):

    @task
    def load(source: str, dataset: str, table: str) -> None:
        """Replace the table by the newest live list, as a whole, once its rows are counted."""
        from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

        lake = ObjectStoragePath(source)
        paths = sorted(lake.glob("_receipts/dt=*.json"), reverse=True)
        receipts = (json.loads(path.read_text()) for path in paths)
        newest = next((each for each in receipts if each["status"] == "live"), None)
        if newest is None:
            raise ValueError(f"{source} has no live snapshot: land one")
        file = lake / f"dt={newest['snapshot_date']}" / "part-00000.parquet"
        hook = BigQueryHook(gcp_conn_id="google_cloud_bigquery_default", location="EU")
        current = {"projectId": hook.project_id, "datasetId": dataset, "tableId": table}
        landed = {**current, "tableId": f"{table}_landed"}
        job = {
            "sourceUris": [f"gs://{file.bucket}/{file.key}"],
            "sourceFormat": "PARQUET",
            "destinationTable": landed,
            "writeDisposition": "WRITE_TRUNCATE",
        }
        rows = hook.insert_job(configuration={"load": job}).output_rows or 0
        if rows != newest["rows"]:
            raise ValueError(f"{rows} rows were loaded, not {newest['rows']}: run again")
        job = {
            "sourceTable": landed,
            "destinationTable": current,
            "writeDisposition": "WRITE_TRUNCATE",
        }
        hook.insert_job(configuration={"copy": job})

    load(
        "gs://google_cloud_default@{{ var.value.mailpartner_bucket }}/mailpartner/unsubscribes",
        dataset="mailpartner",
        table="unsubscribes",
    )
