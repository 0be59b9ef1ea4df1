"""DAGs that land in different circumstances, each from an account of its own.

The first one updates the asset for which the example ``mailpartner_changes_by_asset`` waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

LAKE = "{{ var.value.mailpartner_lake }}"
ARGUMENTS = {
    "start_date": datetime(2020, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
}
LANDINGS = {
    "landed": ("daily/unsubscribes", "mailpartner-unsubscribes"),
    "stopped": ("stopped", "stopped"),
    "failing": ("failing", "failing"),
    "refused": ("refused", "refused"),
}

for name, (folder, asset) in LANDINGS.items():
    with DAG(name, schedule=None, **ARGUMENTS):
        UnsubscribeToParquetOperator(
            task_id="land",
            destination=f"{LAKE}/{folder}",
            mailpartner_conn_id=f"mailpartner_{name}",
            outlets=[Asset(asset)],
        )

with DAG("mapped", schedule=None, **ARGUMENTS):

    @task
    def connections() -> list[str]:
        """Return the connection id of each account."""
        return ["mailpartner_shoes", "mailpartner_hats", "mailpartner_gloves"]

    UnsubscribeToParquetOperator.partial(
        task_id="land",
        destination=f"{LAKE}/mapped/{{{{ task.mailpartner_conn_id }}}}",
        outlets=[Asset("mapped")],
    ).expand(mailpartner_conn_id=connections())
