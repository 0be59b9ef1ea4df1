"""The example that loads BigQuery: which load job it asks for, of a server that reads the file."""

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
    """A server that answers load jobs as BigQuery's API documents them: each is done at once.

    A bucket without a name is the file system.
    """

    def __init__(self) -> None:
        super().__init__(Request.application(self.answer))
        self.jobs: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Response:
        job = json.loads(request.get_data())
        (uri,) = job["configuration"]["load"]["sourceUris"]
        self.jobs.append(job["configuration"]["load"])
        self.rows = pq.read_table(uri.removeprefix("gs://"), partitioning=None).to_pylist()
        statistics = {"load": {"outputRows": str(len(self.rows))}}
        done = {**job, "status": {"state": "DONE"}, "statistics": statistics}
        return Response(json.dumps(done), content_type="application/json")


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


def test_job(lake, bigquery):
    """The table is replaced by the newest list that was observed on its own day, by one job."""
    put_snapshot(lake.folder, days_ago(2), [ANNE])
    put_snapshot(lake.folder, yesterday(), [BJORN, CARLA])
    put_snapshot(lake.folder, today(), [ANNE], status="backdated")

    load(lake)

    assert lake.table(yesterday()).to_pylist() == bigquery.rows
    assert [
        {
            "sourceUris": [f"gs://{lake.partition(yesterday())}"],
            "sourceFormat": "PARQUET",
            "destinationTable": {
                "projectId": "made-up",
                "datasetId": "mailpartner",
                "tableId": "unsubscribes",
            },
            "writeDisposition": "WRITE_TRUNCATE",
        }
    ] == bigquery.jobs


def test_empty(lake, bigquery):
    """An empty list empties the table."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake)
    put_snapshot(lake.folder, today(), [])

    load(lake)

    assert [] == bigquery.rows
    assert 2 == len(bigquery.jobs)


def test_wrong_count(lake, bigquery):
    """A file with more or fewer rows than its receipt declares fails the task."""
    put_snapshot(lake.folder, today(), [ANNE], rows=2)

    with pytest.raises(ValueError, match="1 rows were loaded, not 2: run again"):
        load(lake)
