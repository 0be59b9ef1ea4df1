"""Loads that somebody interferes with at one of their steps: by a kill, a stop, a landing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.hooks.warehouse import open_warehouse
from mailpartner_provider.warehouse.dialects import DIALECTS
from mailpartner_provider.warehouse.loading import load
from mailpartner_provider.warehouse.request import LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import Session, Stop
from tests.support.forks import kill_after, was_killed
from tests.support.warehouses import CONN_ID


class Stepwise(Session):
    """A session that calls a function before each statement, and before each commit."""

    before: Callable[[str], object]

    def _call(self, what: str, *arguments: Any, **more: Any) -> Any:
        self.before(what)
        return super()._call(what, *arguments, **more)


def load_stepwise(
    source: str,
    dataset: str,
    before: Callable[[str], object],
    stop: Stop | None = None,
    **arguments: Any,
) -> LoadReport:
    """Load a destination, with a look at each step."""
    stop = stop or Stop()
    request = LoadRequest(open_destination(source), dataset, "unsubscribes", "hats", **arguments)
    connection = json.loads(os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"])
    dialect = DIALECTS[connection["conn_type"]]
    with open_warehouse(CONN_ID, None) as (connection, cursor):
        session = Stepwise(connection, cursor, CONN_ID, dialect.begin, stop)
        session.before = before
        return load(request, session, dialect, stop)


def killed(source: str, dataset: str, connection: dict[str, Any], steps: int) -> bool:
    """Load in a process of its own, which is killed after some steps; False if it ended before."""
    return was_killed(_work, source, dataset, json.dumps(connection), steps)


def _work(source: str, dataset: str, connection: str, steps: int) -> None:
    os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = connection
    load_stepwise(source, dataset, kill_after(steps))
