"""Load each landed day into a Delta table whenever ``mailpartner_daily_local`` has landed.

Databricks, Microsoft Fabric and others read the table, which is created beside the landed list.
The Airflow variable ``mailpartner_lake`` is the one of the landing. Needs
``pip install deltalake``.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, Asset, ObjectStoragePath, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.dag import DAG

LAKE = "{{ var.value.get('mailpartner_lake', '/var/lib/lake') }}/daily"

with DAG(
    dag_id="mailpartner_load_delta",
    schedule=[Asset("mailpartner-unsubscribes")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    tags=["mailpartner"],
    doc_md=__doc__,
):

    @task
    def load(source: str, table: str) -> None:
        """Load the days that the table lacks, the newest first."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from deltalake import CommitProperties, DeltaTable, Schema
        from deltalake.transaction import AddAction

        lake, store = ObjectStoragePath(source), ObjectStoragePath(table)
        delta = DeltaTable(table) if DeltaTable.is_deltatable(table) else None
        loaded = set(pa.table(delta.get_add_actions())["path"].to_pylist()) if delta else set()
        for path in sorted(lake.glob("_receipts/dt=*.json"), reverse=True):
            receipt = json.loads(path.read_text())
            day = {"account": receipt["conn_id"], "snapshot_date": receipt["snapshot_date"]}
            folder = "/".join(f"{column}={value}" for column, value in day.items())
            name = f"{folder}/{receipt['sha256']}.parquet"
            if name in loaded:
                continue

            # A landed file is replaced when its day is landed again; a table needs one that is not.
            content = (lake / f"dt={day['snapshot_date']}" / "part-00000.parquet").read_bytes()
            if hashlib.sha256(content).hexdigest() != receipt["sha256"]:
                raise ValueError(f"{day} does not match its receipt: run again, or land it again")
            (store / folder).mkdir(parents=True, exist_ok=True)
            (store / name).write_bytes(content)

            account = pa.field("account", pa.string(), nullable=False)  # is not in the file
            columns = Schema.from_arrow(pq.read_schema(pa.BufferReader(content)).append(account))
            delta = delta or DeltaTable.create(table, columns, partition_by=[*day])
            if delta.schema() != columns:
                raise ValueError(f"{day} has other columns than {table}: choose another table")
            now, rows = datetime.now(timezone.utc).timestamp(), {"numRecords": receipt["rows"]}
            delta.create_write_transaction(
                [AddAction(name, len(content), day, int(now * 1000), True, json.dumps(rows))],
                "overwrite",
                columns,
                partition_by=[*day],
                partition_filters=[(column, "=", value) for column, value in day.items()],
                commit_properties=CommitProperties(
                    custom_metadata={"mailpartner.receipt": json.dumps(receipt)},
                    max_commit_retries=0,  # after another commit, the files to replace are others
                ),
            )
            delta.update_incremental()

    load(f"{LAKE}/unsubscribes", f"{LAKE}/unsubscribes_delta")
