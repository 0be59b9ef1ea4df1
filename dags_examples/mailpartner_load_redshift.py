"""Load every day that lands in S3 into a Redshift table.

Triggered by ``mailpartner_daily_s3``, with the same Airflow variable ``mailpartner_bucket``. The
connection ``redshift_default`` opens the cluster, whose default IAM role may read the bucket. COPY
goes by position: the columns of the table are those of the files, in their order. Its
``created_at`` is in UTC.
Needs ``pip install 'mailpartner-provider[s3]'``.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from operator import itemgetter
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, Variable, task
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

# One transaction, which the last SELECT ends with an error when the count is not the receipt's.
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
    CASE count(*) WHEN {rows} THEN '1' ELSE 'Not as many rows as the receipt says' END AS INT
)
FROM unsubscribes
WHERE snapshot_date = '{day}';
"""


def statements(receipt: dict[str, Any]) -> str:
    """Write a day's SQL; as COPY takes no parameters, only a date and a number get into it."""
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
        """Return the receipt of every day that landed; of a day that landed twice, the newest."""
        name = "triggering_asset_events"
        if name not in context:  # Airflow 2 calls its assets datasets
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
