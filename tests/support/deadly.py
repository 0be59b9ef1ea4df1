"""Loads that somebody interferes with at one of their steps: by a kill, a stop, a landing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.hooks.warehouse import open_warehouse
from mailpartner_provider.warehouse.dialects import DIALECTS
from mailpartner_provider.warehouse.loading import load
from mailpartner_provider.warehouse.request import LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import Session, Stop
from tests.support.forks import FORKS
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.warehouses import CONN_ID


class Stepwise(Session):
    """A session that calls a function before each statement, and before each commit."""

    before: Callable[[str], object]

    def _call(self, what: str, *arguments: Any, **more: Any) -> Any:
        self.before(what)
        return super()._call(what, *arguments, **more)


def load_stepwise(
    source: str, dataset: str, before: Callable[[str], object], stop: Stop | None = None
) -> LoadReport:
    """Load a destination, with a look at each step."""
    stop = stop or Stop()
    request = LoadRequest(open_destination(source), dataset, "unsubscribes", "hats")
    connection = json.loads(os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"])
    dialect = DIALECTS[connection["conn_type"]]
    with open_warehouse(CONN_ID, None) as (connection, cursor):
        session = Stepwise(connection, cursor, CONN_ID, dialect.begin, stop)
        session.before = before
        return load(request, session, dialect, stop)


def killed(source: str, dataset: str, connection: dict[str, Any], steps: int) -> bool:
    """Load in a process of its own, which is killed after some steps; False if it ended before."""
    process = FORKS.Process(target=_work, args=(source, dataset, json.dumps(connection), steps))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _work(source: str, dataset: str, connection: str, steps: int) -> None:
    os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = connection
    left = steps

    def before(what: str) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    load_stepwise(source, dataset, before)
