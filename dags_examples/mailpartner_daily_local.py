"""Every morning, land the suppression list in a local folder.

The Airflow variable ``mailpartner_lake`` sets the folder (default: ``/var/lib/lake``); the list
lies in its folder ``daily/unsubscribes``.
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
    dag_id="mailpartner_daily_local",
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
        destination="{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}/daily/unsubscribes",
        outlets=[Asset("mailpartner-unsubscribes")],
    )
