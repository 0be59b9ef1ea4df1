"""The Delta table that the example loads, by loads that somebody may interfere with."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.support.forks import FORKS
from tests.support.project import EXAMPLES
from tests.support.waiting import PATIENCE_SECONDS

EXAMPLE = EXAMPLES / "mailpartner_load_delta.py"
COLUMNS = ["account", "id", "email", "created_at", "snapshot_date", "extra_fields"]


def load(source: Any, table: Any) -> None:
    """Load a destination as the example's task does."""
    runpy.run_path(str(EXAMPLE))["load"].function(str(source), str(table))


def rows(table: Any, version: int | None = None) -> list[tuple]:
    """Read the rows of a table, of any version; none if there is no table."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(table)):
        return []
    found = DeltaTable(str(table), version).to_pyarrow_table().select(COLUMNS)
    return [tuple(row.values()) for row in found.to_pylist()]


def load_stepwise(source: Any, table: Any, before: Callable[[], object]) -> None:
    """Load a destination; call a function before each line of the example's task."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != str(EXAMPLE):
            return None
        if event == "line" and frame.f_code.co_name == "load":
            before()
        return trace

    kept = sys.gettrace()
    sys.settrace(trace)
    try:
        load(source, table)
    finally:
        sys.settrace(kept)


def killed(source: Path, table: Path, lines: int) -> bool:
    """Load in a process of its own, which is killed after some lines; False if it ended before."""
    process = FORKS.Process(target=_work, args=(source, table, lines))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _work(source: Path, table: Path, lines: int) -> None:
    left = lines

    def before() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    load_stepwise(source, table, before)
