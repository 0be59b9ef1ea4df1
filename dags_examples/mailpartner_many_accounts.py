"""Every morning, land the suppression lists of several accounts, side by side.

One connection for each account; one task instance for each connection, named after it in the UI.
The accounts' lists lie beside each other, in ``account=...`` folders.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}/unsubscribes"
CONNECTION_OF_ACCOUNT = {
    "shoes": "mailpartner_shoes",
    "hats": "mailpartner_hats",
    "gloves": "mailpartner_gloves",
}

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
    UnsubscribeToParquetOperator.partial(
        task_id="land_unsubscribes",
        map_index_template="{{ task.mailpartner_conn_id }}",
    ).expand_kwargs(
        [
            {"mailpartner_conn_id": conn_id, "destination": f"{LAKE}/account={account}"}
            for account, conn_id in CONNECTION_OF_ACCOUNT.items()
        ]
    )
