"""Load every day that is landed in S3 into a Snowflake table.

Triggered by ``mailpartner_daily_s3``. The connection ``snowflake_default`` sets database, schema
and warehouse. The schema needs a stage ``mailpartner_lake`` with the URL of the landing's
destination, ``s3://.../mailpartner/unsubscribes/``.
Needs ``pip install apache-airflow-providers-snowflake``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import Any

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

# One transaction from DELETE on. The last SELECT raises an error if the count differs from the
# receipt's. USE_LOGICAL_TYPE reads created_at as an instant. FORCE loads files that were loaded
# before.
LOAD = """
CREATE TABLE IF NOT EXISTS unsubscribes (
    id BIGINT NOT NULL,
    email VARCHAR NOT NULL,
    created_at TIMESTAMP_LTZ,
    snapshot_date DATE NOT NULL,
    extra_fields VARCHAR
);

DELETE FROM unsubscribes WHERE snapshot_date = %(snapshot_date)s;

COPY INTO unsubscribes
FROM @mailpartner_lake
FILES = (%(file)s)
FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)
MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE
FORCE = TRUE;

SELECT CAST(
    CASE count(*) WHEN %(rows)s THEN '1' ELSE 'More or fewer rows than the receipt says' END AS INT
)
FROM unsubscribes
WHERE snapshot_date = %(snapshot_date)s;
"""


def parameters(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the statements for a day that was landed."""
    file = f"dt={receipt['snapshot_date']}/part-00000.parquet"
    return {"snapshot_date": receipt["snapshot_date"], "rows": receipt["rows"], "file": file}


with DAG(
    dag_id="mailpartner_load_snowflake",
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
        conn_id="snowflake_default",
        sql=LOAD,
        split_statements=True,
        do_xcom_push=False,
    ).expand(parameters=receipts().map(parameters))
