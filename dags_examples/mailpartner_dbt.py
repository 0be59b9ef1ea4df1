"""Load what ``mailpartner_changes`` has landed into a DuckDB file, and build the models of dbt.

The connection ``duckdb_default`` has the type ``duckdb``, and the database file as its host. The
Airflow variable ``mailpartner_dbt`` is the folder of a dbt project that installs the package
``mailpartner``; dbt itself is in the environment ``.venv`` of this folder.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_to_sql import UnsubscribeToSqlOperator

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}"
TABLES = [
    ("unsubscribes", "unsubscribes", "current"),
    ("unsubscribe_receipts", "unsubscribes", "receipts"),
    ("unsubscribe_changes", "unsubscribe_changes", "changes"),
    ("unsubscribe_changes_receipts", "unsubscribe_changes", "receipts"),
]

with DAG(
    dag_id="mailpartner_dbt",
    schedule=[Asset("mailpartner-unsubscribe-changes")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,  # a DuckDB file has one writer at a time
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):
    loads = [
        UnsubscribeToSqlOperator(
            task_id=f"load_{table}",
            source=f"{LAKE}/{folder}",
            conn_id="duckdb_default",
            table=table,
            dataset=dataset,
        )
        for table, folder, dataset in TABLES
    ]

    @task.bash(env={"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}, append_env=True)
    def build() -> str:
        """Return the command that builds the models and runs the tests of dbt."""
        return "cd \"{{ var.value.get('mailpartner_dbt', '/opt/dbt') }}\" && .venv/bin/dbt build"

    loads >> build()
