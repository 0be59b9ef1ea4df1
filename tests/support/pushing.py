"""The operator that pushes opt-outs, executed without a run of Airflow; and what it leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mailpartner_provider.operators.confirm_pushes import ConfirmPushesOperator
from mailpartner_provider.operators.push_unsubscribes import PushUnsubscribesOperator
from mailpartner_provider.pushes import journal as pushes
from mailpartner_provider.pushes.pace import Pace
from tests.support.days import noon
from tests.support.lake import BucketLake, Lake

#: So many that no test waits for the pace.
AT_ONCE = 10**9
FAST = 10


def opt_outs(file: Path, addresses: Iterable[str | None], column: str = "email") -> Path:
    """Write a Parquet file of opt-outs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({column: pa.array(list(addresses), pa.string())}), file)
    return file


def pushing(store: Any, source: Any = None, **arguments: Any) -> PushUnsubscribesOperator:
    """Return the operator that pushes, with journals where the list was landed."""
    if source is not None:
        arguments["source"] = str(source)
    usual = {"per_minute": AT_ONCE, "snapshot": str(store), "destination": str(store)}
    return PushUnsubscribesOperator(task_id="push", **usual | arguments)


def run_of(number: int = 1) -> dict[str, Any]:
    """Return the context of a run, of which another try has the same."""
    ti = SimpleNamespace(dag_id="dag", task_id="push", run_id=f"run {number}", map_index=-1)
    return {"ti": ti, "logical_date": noon()}


def push(store: Any, source: Any = None, run: int = 1, **arguments: Any) -> dict[str, Any]:
    """Push as a task does; return the receipt."""
    return pushing(store, source, **arguments).execute(run_of(run))


def push_with_journal(store: Any, **arguments: Any) -> dict[str, Any]:
    """Push, with a journal that is written after every second outcome."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pushes, "FLUSH_OUTCOMES", 2)
        return push(store, **arguments)


def push_fast(store: Any, **arguments: Any) -> dict[str, Any]:
    """Push by a clock that is faster than this machine's, in all processes."""
    task = pushing(store, **arguments)
    task.pace = Pace(int(task.per_minute), fast_clock, lambda s: time.sleep(s / FAST))
    return task.execute(run_of())


def fast_clock() -> float:
    """Return seconds that pass ten times as fast, and agree between processes."""
    return time.monotonic() * FAST


def confirm(store: Any, **arguments: Any) -> dict[str, Any]:
    """Confirm what was pushed, by what was landed next; return the receipt."""
    task = ConfirmPushesOperator(
        task_id="confirm", snapshot=str(store), destination=str(store), **arguments
    )
    return task.execute({})


def journal(store: Lake | BucketLake) -> list[dict[str, Any]]:
    """Read the outcomes of all batches."""
    return [line for name, line in _lines(store) if "rejected" not in name]


def quarantine(store: Lake | BucketLake) -> list[dict[str, Any]]:
    """Read the quarantine of all batches."""
    return [line for name, line in _lines(store) if "rejected" in name]


def _lines(store: Lake | BucketLake) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, content in sorted(store.files().items()):
        if name.startswith("_pushes/") and name.endswith(".jsonl"):
            for line in content.splitlines():
                yield name, json.loads(line)
