"""Load the current list into Snowflake whenever ``mailpartner_daily_s3`` has landed.

The connection ``snowflake_default`` sets database, schema and warehouse.
Needs ``pip install apache-airflow-providers-snowflake``.
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
    dag_id="mailpartner_load_snowflake",
    schedule=[Asset("mailpartner-unsubscribes-s3")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    UnsubscribeToSqlOperator(
        task_id="load",
        source="s3://aws_default@{{ var.value.mailpartner_bucket }}/mailpartner/unsubscribes",
        conn_id="snowflake_default",
    )
