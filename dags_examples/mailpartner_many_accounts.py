"""Every morning, land the suppression lists of several accounts, side by side.

The Airflow variable ``mailpartner_accounts`` lists them, such as ``["shoes", "hats"]``. Each has
its own connection, such as ``mailpartner_shoes``, which also names its task instance in the UI, and
its own folder, ``account=...``. To land fewer accounts at once, put the task into a pool.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset, Variable, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.variable import Variable

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}"
ACCOUNT = "{{ task.mailpartner_conn_id.removeprefix('mailpartner_') }}"

with DAG(
    dag_id="mailpartner_many_accounts",
    schedule="30 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):

    @task
    def connections() -> list[str]:
        """Return the connection id of each account."""
        accounts = Variable.get("mailpartner_accounts", deserialize_json=True)
        return [f"mailpartner_{account}" for account in accounts]

    UnsubscribeToParquetOperator.partial(
        task_id="land_unsubscribes",
        destination=f"{LAKE}/accounts/account={ACCOUNT}",
        map_index_template="{{ task.mailpartner_conn_id }}",
        outlets=[Asset("mailpartner-unsubscribes-accounts")],
    ).expand(mailpartner_conn_id=connections())
