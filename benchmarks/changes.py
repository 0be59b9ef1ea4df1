"""The cost of landing changes: ``python -m benchmarks.changes [RECORDS]``.

Writes two snapshots. The later one lacks one in a hundred records of the earlier, has as many new
records, and has another address in one in ten thousand. Then lands the changes of each day in a new
process, and prints the time and memory of the later day as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

DAY = date(2026, 11, 23)
DAY_BEFORE = DAY - timedelta(days=1)


def main(records: int) -> None:
    """Write the snapshots in this process, compare them in a new one."""
    with tempfile.TemporaryDirectory(prefix="mailpartner-bench-") as folder:
        source = Path(folder) / "unsubscribes"
        make_snapshot(source, DAY_BEFORE, range(records))
        kept = [key for key in range(records) if key % 100 != 50]
        current = [*kept, *range(records, records + records // 100)]
        make_snapshot(source, DAY, current, lambda key: "new." if key % 10_000 == 3 else "")
        command = [sys.executable, "-m", "benchmarks.changes", "--of", folder]
        subprocess.run([*command, str(DAY_BEFORE)], check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run([*command, str(DAY)], check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout.splitlines()[-1])  # after Airflow's log


def address(key: int, prefix: str = "") -> str:
    """Return the address of a made-up person."""
    return f"person.{key * 7919 % 100_000_007}@{prefix}example{key % 97}.com"


def make_snapshot(
    source: Path, day: date, ids: Sequence[int], prefix: Callable[[int], str] = lambda key: ""
) -> None:
    """Write a snapshot as a landing does, and its receipt."""
    import pyarrow as pa

    from mailpartner_provider.lake.parquet import in_row_groups, open_writer
    from mailpartner_provider.lake.receipts import SnapshotReceipt
    from mailpartner_provider.lake.scratch import digest
    from mailpartner_provider.privacy.hashing import EmailMode
    from mailpartner_provider.schemas import snapshot_schema

    def batches():
        for start in range(0, len(ids), 100_000):
            part = ids[start : start + 100_000]
            emails = [address(key, prefix(key)) for key in part]
            created = [1_437_380_385_000_000 + key * 31_000_000 for key in part]
            columns = [part, emails, created, [day] * len(part), [None] * len(part)]
            arrays = [
                pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    schema = snapshot_schema()
    file = source / f"dt={day}" / "part-00000.parquet"
    file.parent.mkdir(parents=True)
    with open_writer(file, schema) as writer:
        for rows in in_row_groups(batches(), schema):
            writer.write_table(rows)
    members = {"dataset": SnapshotReceipt.dataset, "snapshot_date": str(day)}
    members |= {"status": "live", "partition_by": "snapshot", "email_mode": "plain"}
    members |= {"observed_at": f"{day}T06:30:00.000000Z"}
    counts = {"rows": len(ids), "duplicate_ids": 0, "sha256": digest(file)}
    receipt = dict.fromkeys(field.name for field in fields(SnapshotReceipt)) | members | counts
    (source / "_receipts").mkdir(exist_ok=True)
    (source / f"_receipts/dt={day}.json").write_text(json.dumps(receipt))


def measure(folder: Path, day: str) -> None:
    """Land the changes of a day; print the time and memory."""
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(dir=folder)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    import duckdb

    import mailpartner_provider.changes.landing
    from benchmarks.methods import memory
    from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator

    task = UnsubscribeChangesOperator(
        task_id="land_changes",
        source=str(folder / "unsubscribes"),
        destination=str(folder / "changes"),
        snapshot_date=day,
    )
    idle_bytes = memory("VmRSS")
    began, began_cpu = time.perf_counter(), time.process_time()
    receipt = task.execute({})
    cost = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
        "peak_bytes": memory("VmHWM"),
        "idle_bytes": idle_bytes,
        **{name: receipt[name] for name in ("added", "removed", "changed_records", "bytes")},
    }
    print(json.dumps(cost), file=sys.__stdout__)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        measure(Path(sys.argv[2]), sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
