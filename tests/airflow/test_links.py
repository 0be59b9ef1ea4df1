"""The link from a task in Airflow's pages to what it has landed."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from mailpartner_provider.operators.links import console_url, landing_path, page_path, run_path
from mailpartner_provider.testing import faults
from tests.support.changes import comparing
from tests.support.dags import dag_of
from tests.support.days import noon, today
from tests.support.landing import operator
from tests.support.runs import AIRFLOW, links_of, run_by_hand

pytestmark = pytest.mark.usefixtures("database", "api")
before_pages = pytest.mark.skipif(
    AIRFLOW >= (3, 1), reason="Airflow 3.1 and later have a page, to which the link leads instead"
)
with_pages = pytest.mark.skipif(
    AIRFLOW < (3, 1), reason="Airflow before 3.1 has no place for pages"
)

FRAME = "/plugin/mailpartner" if AIRFLOW >= (3, 3) else ""
NAME = "Landed partition"


@with_pages
def test_to_the_page(lake, feed):
    """The link leads to the landing on the page, and names its task and destination."""
    run = run_by_hand(dag_of(operator(lake), comparing(lake, feed)), noon())

    for task_id, place in {"land": lake, "compare": feed}.items():
        query = {
            "uri": f"file://{place.partition()}",
            "day": str(today()),
            "destination": str(place),
            "dag_id": run.dag_run.dag_id,
            "run_id": run.dag_run.run_id,
            "task_id": task_id,
            "map_index": -1,
        }
        link = f"{FRAME}/mailpartner/?{urlencode(query)}"
        assert {NAME: link} == links_of(run, task_id)


@pytest.mark.parametrize(
    ("index", "path"),
    [(None, "/dags/d/runs/r%201/tasks/t"), (3, "/dags/d/runs/r%201/tasks/t/mapped/3")],
)
def test_task_run(index, path):
    """A receipt leads to the run of the task that wrote it; one of no task leads nowhere."""
    run = {"dag_id": "d", "run_id": "r 1", "task_id": "t", "map_index": index}

    assert path == run_path(run)
    assert "" == run_path({**run, "run_id": None})


@with_pages
def test_mounted_elsewhere(monkeypatch):
    """The page is found where Airflow is mounted below a path."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")

    assert "/airflow/mailpartner/" == page_path()
    landing = landing_path("file:///lake", "2026-11-22")
    frame = f"/airflow{FRAME}" if FRAME else ""
    assert f"{frame}/airflow/mailpartner/?uri=file%3A%2F%2F%2Flake&day=2026-11-22" == landing


@before_pages
def test_to_the_bucket(bucket):
    """Without a page the link leads to the object in S3."""
    run = run_by_hand(dag_of(operator("s3://aws_default@lake/unsubscribes")), noon())

    key = f"unsubscribes/dt%3D{today()}/part-00000.parquet"
    assert {NAME: f"https://console.aws.amazon.com/s3/object/lake?prefix={key}"} == links_of(
        run, "land"
    )


@before_pages
def test_to_a_folder(lake):
    """Without a page no link leads to a folder, which a browser cannot open."""
    run = run_by_hand(dag_of(operator(lake)), noon())

    assert [] == [link for link in links_of(run, "land").values() if link]


def test_nothing_landed(api, lake, log):
    """A task that landed nothing has no link, and its log does not complain of that."""
    api.script(faults.refusing())

    run = run_by_hand(dag_of(operator(lake)), noon())

    assert "failed" == run.states["land"]
    assert "Failed to push an xcom" not in log()
    assert [] == [link for link in links_of(run, "land").values() if link]


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("s3://lake/a&b?c/d.parquet", "s3/object/lake?prefix=a%26b%3Fc/d.parquet"),
        ("s3://lake/unsubscribes", "s3/buckets/lake?prefix=unsubscribes/"),
    ],
)
def test_console(uri, address):
    """The console shows a file as an object, and the folder of a list by day of opt-out."""
    assert f"https://console.aws.amazon.com/{address}" == console_url(uri)


def test_no_console():
    """What is not in S3 has no address in the console."""
    assert "" == console_url("gs://lake/a.parquet") == console_url("file:///lake/a.parquet")
