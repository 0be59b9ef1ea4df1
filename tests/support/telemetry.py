"""What a task sends to monitoring: events of OpenLineage in a file, metrics to a socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests import LINEAGE
from tests.support.dags import dag_of
from tests.support.days import noon
from tests.support.runs import run_by_hand
from tests.support.waiting import PATIENCE_SECONDS


def told(task_id: str, *tasks: Any) -> dict[str, Any]:
    """Run tasks; return the event that OpenLineage received when one had ended."""
    already = len(LINEAGE.read_text().splitlines()) if LINEAGE.exists() else 0
    run = run_by_hand(dag_of(*tasks), noon())
    assert {"success"} == set(run.states.values())
    events = [json.loads(line) for line in LINEAGE.read_text().splitlines()[already:]]
    (event,) = (
        event
        for event in events
        if event["eventType"] == "COMPLETE"
        and event["job"]["name"] == f"{run.dag_run.dag_id}.{task_id}"
    )
    return event


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the namespaces and names of datasets."""
    return [(each["namespace"], each["name"]) for each in datasets]


def columns(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the columns of the only output, and their types."""
    (output,) = event["outputs"]
    return [(field["name"], field["type"]) for field in output["facets"]["schema"]["fields"]]


def statistics(event: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of rows and bytes of the only output."""
    (output,) = event["outputs"]
    return output["outputFacets"]["outputStatistics"]


class Metrics:
    """A socket to which metrics are sent."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def sent_by(self, script: str, place: str, count: int) -> tuple[str, dict[str, Any]]:
        """Run a script that sends so many metrics; return what it prints, and the metrics."""
        environment = {
            **os.environ,
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._listener.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # it has a way to write tags
        }
        command = [sys.executable, "-c", script, place]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

        found: dict[str, Any] = {}
        while len(found) < count:
            name, _, value = self._listener.recv(4096).decode().partition(":")
            if name.startswith("airflow.mailpartner."):
                name, *tags = name.split(",")
                found[name.removeprefix("airflow.mailpartner.")] = (value, set(tags))
        return done.stdout, found


@contextmanager
def listening() -> Iterator[Metrics]:
    """Listen for metrics on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_SECONDS)
        yield Metrics(listener)
