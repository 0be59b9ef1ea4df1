"""Load the current list into a DuckDB file whenever ``mailpartner_daily_local`` has landed.

The connection ``duckdb_default`` has the type ``duckdb``, and the database file as its host; the
Airflow variable ``mailpartner_lake`` is the one of the landing. Needs ``pip install duckdb``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_to_sql import UnsubscribeToSqlOperator

with DAG(
    dag_id="mailpartner_load_duckdb",
    schedule=[Asset("mailpartner-unsubscribes")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    UnsubscribeToSqlOperator(
        task_id="load",
        source="{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}/daily/unsubscribes",
        conn_id="duckdb_default",
    )
