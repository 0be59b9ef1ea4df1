"""Every morning, push opt-outs from a PostgreSQL table, land the list, and confirm the pushes.

The table ``opt_outs`` of the connection ``postgres_default`` has a row for everybody who said no
elsewhere, with the address in ``email``. It may keep them for ever: people on the list are left
out. The Airflow variable ``mailpartner_lake`` sets the folder (default: ``/var/lib/lake``). A push
compares with the list that was landed last: before the first run, run ``land_unsubscribes`` alone.
Needs ``pip install apache-airflow-providers-postgres``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.models.dag import DAG

from mailpartner_provider.operators.confirm_pushes import ConfirmPushesOperator
from mailpartner_provider.operators.push_unsubscribes import PushUnsubscribesOperator
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

LIST = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}/pushed/unsubscribes"

with DAG(
    dag_id="mailpartner_push_postgres",
    schedule="30 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    params={"max_added": 10_000, "dry_run": False},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    push = PushUnsubscribesOperator(
        task_id="push_opt_outs",
        sql="SELECT email FROM opt_outs",
        sql_conn_id="postgres_default",
        snapshot=LIST,
        destination=LIST,
        max_added="{{ params.max_added }}",
        dry_run="{{ params.dry_run }}",
        keep_days=400,
    )
    land = UnsubscribeToParquetOperator(
        task_id="land_unsubscribes",
        destination=LIST,
        outlets=[Asset("mailpartner-unsubscribes-pushed")],
    )
    confirm = ConfirmPushesOperator(
        task_id="confirm_pushes",
        snapshot=LIST,
        destination=LIST,
    )
    push >> land >> confirm
