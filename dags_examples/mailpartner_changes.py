"""Every morning, land the suppression list, then the records added, removed or changed.

The Airflow variable ``mailpartner_lake`` sets the folder (default: ``/var/lib/lake``).
Needs ``pip install 'mailpartner-provider[changes]'``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}"

with DAG(
    dag_id="mailpartner_changes",
    schedule="30 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    land = UnsubscribeToParquetOperator(
        task_id="land_unsubscribes",
        destination=f"{LAKE}/unsubscribes",
    )
    changes = UnsubscribeChangesOperator(
        task_id="land_changes",
        source=f"{LAKE}/unsubscribes",
        destination=f"{LAKE}/unsubscribe_changes",
        outlets=[Asset("mailpartner-unsubscribe-changes")],
    )
    land >> changes
