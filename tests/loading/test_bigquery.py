"""The example that loads BigQuery: the jobs it asks for, of a server that does them."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pyarrow.parquet as pq
import pytest
from werkzeug.wrappers import Request, Response

from tests.support.changes import ANNE, BJORN, CARLA
from tests.support.days import days_ago, today, yesterday
from tests.support.front import Front
from tests.support.project import EXAMPLES
from tests.support.snapshots import put_snapshot

pytestmark = pytest.mark.engine

EXAMPLE = EXAMPLES / "mailpartner_load_bigquery.py"


class BigQuery(Front):
    """A server that does load and copy jobs as BigQuery's API documents them, each at once.

    A bucket without a name is the file system.
    """

    def __init__(self) -> None:
        super().__init__(Request.application(self.answer))
        self.jobs: list[dict[str, Any]] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def answer(self, request: Request) -> Response:
        job = json.loads(request.get_data())
        kind = "load" if "load" in job["configuration"] else "copy"
        configuration = job["configuration"][kind]
        self.jobs.append({kind: configuration})
        rows = self.landed(configuration) if kind == "load" else self.copied(configuration)
        self.tables[configuration["destinationTable"]["tableId"]] = rows
        statistics = {"load": {"outputRows": str(len(rows))}} if kind == "load" else {}
        done = {**job, "status": {"state": "DONE"}, "statistics": statistics}
        return Response(json.dumps(done), content_type="application/json")

    @staticmethod
    def landed(configuration: dict[str, Any]) -> list[dict[str, Any]]:
        (uri,) = configuration["sourceUris"]
        return pq.read_table(uri.removeprefix("gs://"), partitioning=None).to_pylist()

    def copied(self, configuration: dict[str, Any]) -> list[dict[str, Any]]:
        return self.tables[configuration["sourceTable"]["tableId"]]


@pytest.fixture
def bigquery(monkeypatch):
    """The server, and Airflow's connection to it."""
    extra = {"is_anonymous": True, "project": "made-up"}
    connection = {"conn_type": "gcpbigquery", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_BIGQUERY_DEFAULT", json.dumps(connection))
    with BigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server


def load(lake: Any) -> None:
    """Load a destination as the example's task does."""
    runpy.run_path(str(EXAMPLE))["load"].function(f"file://{lake}", "mailpartner", "unsubscribes")


def table(name: str) -> dict[str, str]:
    return {"projectId": "made-up", "datasetId": "mailpartner", "tableId": name}


def test_jobs(lake, bigquery):
    """The newest list that was observed on its own day is loaded, then replaces the table."""
    put_snapshot(lake.folder, days_ago(2), [ANNE])
    put_snapshot(lake.folder, yesterday(), [BJORN, CARLA])
    put_snapshot(lake.folder, today(), [ANNE], status="backdated")

    load(lake)

    assert lake.table(yesterday()).to_pylist() == bigquery.tables["unsubscribes"]
    loading = {
        "sourceUris": [f"gs://{lake.partition(yesterday())}"],
        "sourceFormat": "PARQUET",
        "destinationTable": table("unsubscribes_landed"),
        "writeDisposition": "WRITE_TRUNCATE",
    }
    copying = {
        "sourceTable": table("unsubscribes_landed"),
        "destinationTable": table("unsubscribes"),
        "writeDisposition": "WRITE_TRUNCATE",
    }
    assert [{"load": loading}, {"copy": copying}] == bigquery.jobs


def test_empty(lake, bigquery):
    """An empty list empties the table."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake)
    put_snapshot(lake.folder, today(), [])

    load(lake)

    assert [] == bigquery.tables["unsubscribes"]


def test_wrong_count(lake, bigquery):
    """A file with more or fewer rows than its receipt declares leaves the table as it was."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake)
    before = bigquery.tables["unsubscribes"]
    put_snapshot(lake.folder, today(), [BJORN], rows=2)

    with pytest.raises(ValueError, match="1 rows were loaded, not 2: run again"):
        load(lake)

    assert before == bigquery.tables["unsubscribes"]
