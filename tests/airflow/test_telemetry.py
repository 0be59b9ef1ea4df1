"""What a task sends to monitoring: lineage to OpenLineage, metrics to StatsD."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.operators.telemetry import dataset_name
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from tests import LINEAGE
from tests.support.api import THREE
from tests.support.changes import begin, comparing
from tests.support.dags import dag_of
from tests.support.days import noon, today, yesterday
from tests.support.docs import PAGES
from tests.support.landing import land, operator
from tests.support.runs import run_by_hand
from tests.support.waiting import PATIENCE_SECONDS

SNAPSHOT = snapshot_schema()


def told(task_id: str, *tasks) -> dict:
    """Run tasks; return the event that OpenLineage received when one had ended."""
    already = len(LINEAGE.read_text().splitlines()) if LINEAGE.exists() else 0
    run = run_by_hand(dag_of(*tasks), noon())
    events = [json.loads(line) for line in LINEAGE.read_text().splitlines()[already:]]
    (event,) = (
        event
        for event in events
        if event["eventType"] == "COMPLETE"
        and event["job"]["name"] == f"{run.dag_run.dag_id}.{task_id}"
    )
    return event


def columns(event: dict) -> list[tuple[str, str]]:
    (output,) = event["outputs"]
    return [(field["name"], field["type"]) for field in output["facets"]["schema"]["fields"]]


def described(schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


@pytest.mark.usefixtures("database")
class TestLineage:
    def test_landing(self, api, lake):
        """A landing goes from the API's list into its partition, with columns, rows and size."""
        event = told("land", operator(lake))

        place = lake.partition()
        assert [(api.url.removesuffix("/v1"), "v1/unsubscribe/list")] == [
            (each["namespace"], each["name"]) for each in event["inputs"]
        ]
        (output,) = event["outputs"]
        assert ("file", str(place)) == (output["namespace"], output["name"])
        statistics = output["outputFacets"]["outputStatistics"]
        assert (3, place.stat().st_size) == (statistics["rowCount"], statistics["size"])
        assert described(SNAPSHOT) == columns(event)

    def test_other_columns(self, api, lake):
        """The columns are those of the layout and of the mode for addresses."""
        event = told("land", operator(lake, partition_by="created", email_mode="sha256"))

        assert described(created_schema(EmailMode("sha256").column)) == columns(event)
        assert str(lake) == event["outputs"][0]["name"]

    def test_changes(self, api, lake, feed):
        """Changes go from two snapshots into their partition."""
        land(lake, yesterday())
        lake.make_live(yesterday())
        begin(lake, feed)
        api.unsubscribes = THREE[:2]

        event = told("compare", operator(lake), comparing(lake, feed))

        assert [str(lake.partition(day)) for day in (today(), yesterday())] == [
            each["name"] for each in event["inputs"]
        ]
        (output,) = event["outputs"]
        assert str(feed.partition()) == output["name"]
        assert 1 == output["outputFacets"]["outputStatistics"]["rowCount"]
        assert described(changes_schema(SNAPSHOT)) == columns(event)

    def test_nothing(self, api, lake):
        """A task that landed nothing sends no lineage."""
        api.unsubscribes = []
        task = operator(lake, on_empty="skip")
        with pytest.raises(AirflowSkipException):
            task.execute({})

        assert task.get_openlineage_facets_on_complete(None) is None

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("s3://lake/a/dt=2026-11-24/x", ("s3://lake", "a/dt=2026-11-24/x")),
            ("file:///lake/a b", ("file", "/lake/a b")),
            ("https://api.mailpartner.fr/v1/me", ("https://api.mailpartner.fr", "v1/me")),
        ],
    )
    def test_names(self, uri, expected):
        """Namespaces and names are those of OpenLineage's convention."""
        assert expected == dataset_name(uri)


LAND = """
import sys
from tests.support.runs import start_metrics
from tests.support.landing import land

start_metrics()
print(land(sys.argv[1])["bytes"])
"""


class TestMetrics:
    @pytest.fixture
    def statsd(self):
        """A socket to which metrics are sent."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.settimeout(PATIENCE_SECONDS)
            yield listener

    def test_landing(self, api, lake, statsd):
        """A landing sends its rows, bytes, rejected records, lag and duration, tagged."""
        environment = {
            **os.environ,
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # it has a way to write tags
        }
        command = [sys.executable, "-c", LAND, str(lake)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

        found = {}
        while len(found) < 5:
            name, _, value = statsd.recv(4096).decode().partition(":")
            if name.startswith("airflow.mailpartner."):
                name, *tags = name.split(",")
                found[name.removeprefix("airflow.mailpartner.")] = (value, set(tags))
        tags = {"task_id=land", "conn_id=mailpartner_default"}
        assert {"rows", "bytes", "rejected", "lag", "duration"} == found.keys()
        assert ("3|g", tags) == found["rows"]
        assert (f"{done.stdout.split()[-1]}|g", tags) == found["bytes"]
        assert ("0|g", tags) == found["rejected"]
        assert float(found["lag"][0].removesuffix("|g")) > 365 * 86_400
        assert found["duration"][0].endswith("|ms")
        assert all(f"`mailpartner.{name}`" in PAGES["docs/guides/airflow.md"] for name in found)
