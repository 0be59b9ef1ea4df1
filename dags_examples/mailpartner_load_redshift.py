"""Load every day that is landed in S3 into a Redshift table.

Triggered by ``mailpartner_daily_s3``, with the same Airflow variable ``mailpartner_bucket``. The
connection ``redshift_default`` is for the cluster, whose default IAM role must be allowed to read
the bucket. COPY maps columns by position: the table has the columns of the files, in the same
order. ``created_at`` is in UTC. Needs ``pip install 'mailpartner-provider[s3]'``.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from operator import itemgetter
from typing import Any

try:
    from airflow.sdk import DAG, Asset, Variable, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.variable import Variable
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

# One transaction. The last SELECT raises an error if the count differs from the receipt's.
LOAD = """
CREATE TABLE IF NOT EXISTS unsubscribes (
    id BIGINT NOT NULL,
    email VARCHAR(65535) NOT NULL,
    created_at TIMESTAMP,
    snapshot_date DATE NOT NULL,
    extra_fields VARCHAR(65535)
)
SORTKEY (snapshot_date);

DELETE FROM unsubscribes WHERE snapshot_date = '{day}';

COPY unsubscribes
FROM 's3://{bucket}/mailpartner/unsubscribes/dt={day}/part-00000.parquet'
IAM_ROLE DEFAULT
FORMAT AS PARQUET;

SELECT CAST(
    CASE count(*) WHEN {rows} THEN '1' ELSE 'More or fewer rows than the receipt says' END AS INT
)
FROM unsubscribes
WHERE snapshot_date = '{day}';
"""


def statements(receipt: dict[str, Any]) -> str:
    """Return the SQL for a day. COPY takes no parameters, so only a date and a number are used."""
    return LOAD.format(
        bucket=Variable.get("mailpartner_bucket"),
        day=date.fromisoformat(receipt["snapshot_date"]),
        rows=int(receipt["rows"]),
    )


with DAG(
    dag_id="mailpartner_load_redshift",
    schedule=[Asset("mailpartner-unsubscribes-s3")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):

    @task
    def receipts(**context: Any) -> list[dict[str, Any]]:
        """Return the newest receipt of every day that was landed."""
        name = "triggering_asset_events"
        if name not in context:  # Airflow 2 calls assets datasets
            name = "triggering_dataset_events"
        landed = [event.extra for events in context[name].values() for event in events]
        landed.sort(key=itemgetter("observed_at"))
        return list({receipt["snapshot_date"]: receipt for receipt in landed}.values())

    SQLExecuteQueryOperator.partial(
        task_id="load",
        conn_id="redshift_default",
        split_statements=True,
        do_xcom_push=False,
    ).expand(sql=receipts().map(statements))
