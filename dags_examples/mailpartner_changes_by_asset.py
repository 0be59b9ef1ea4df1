"""Whenever ``mailpartner_daily_local`` has landed a snapshot, land its changes.

The day comes from the receipts in the asset's events: the newest, if a run has several. Its changes
include those of the days before that were not landed yet. (Airflow 2 calls assets datasets.)
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

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}"
EVENTS = "(triggering_asset_events | default(triggering_dataset_events)).values() | first"

with DAG(
    dag_id="mailpartner_changes_by_asset",
    schedule=[Asset("mailpartner-unsubscribes")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    UnsubscribeChangesOperator(
        task_id="land_changes",
        source=f"{LAKE}/daily/unsubscribes",
        destination=f"{LAKE}/daily/unsubscribe_changes",
        snapshot_date=f"{{{{ {EVENTS} | map(attribute='extra.snapshot_date') | max }}}}",
    )
