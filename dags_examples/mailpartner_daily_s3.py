"""Every morning, land the suppression list in S3.

The Airflow variable ``mailpartner_bucket`` sets the bucket, the connection ``aws_default`` its
credentials. Needs ``pip install 'mailpartner-provider[s3]'``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

with DAG(
    dag_id="mailpartner_daily_s3",
    schedule="30 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    UnsubscribeToParquetOperator(
        task_id="land_unsubscribes",
        destination="s3://aws_default@{{ var.value.mailpartner_bucket }}/mailpartner/unsubscribes",
        execution_timeout=timedelta(minutes=30),
        outlets=[Asset("mailpartner-unsubscribes-s3")],
    )
