"""The example DAGs, each run for real."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.testing.server import StandIn
from tests.support.api import THREE, connect
from tests.support.dags import dag_of
from tests.support.days import days_ago, midnight, noon, today
from tests.support.landing import operator
from tests.support.project import EXAMPLES
from tests.support.runs import load, run_by_hand, run_by_scheduler

pytestmark = pytest.mark.usefixtures("database")


def test_all_of_them():
    """Every example is here, parses, and says what it is for."""
    dags = [load(file) for file in sorted(EXAMPLES.glob("*.py"))]

    assert [
        "mailpartner_changes",
        "mailpartner_changes_by_asset",
        "mailpartner_daily_local",
        "mailpartner_daily_s3",
        "mailpartner_dbt",
        "mailpartner_load_bigquery",
        "mailpartner_load_delta",
        "mailpartner_load_duckdb",
        "mailpartner_load_iceberg",
        "mailpartner_load_postgres",
        "mailpartner_load_redshift",
        "mailpartner_load_snowflake",
        "mailpartner_many_accounts",
        "mailpartner_push_postgres",
    ] == [dag.dag_id for dag in dags]
    assert all(dag.doc_md for dag in dags)


def test_folders():
    """No two examples land in the same folder, where they would land each other's lists."""
    tasks = [
        task
        for file in EXAMPLES.glob("*.py")
        for task in load(file).tasks
        if task.task_type in ("UnsubscribeToParquetOperator", "UnsubscribeChangesOperator")
    ]
    places = [getattr(task, "partial_kwargs", vars(task))["destination"] for task in tasks]

    assert 7 == len(places) == len(set(places))
    inner = [(one, other) for one in places for other in places if other.startswith(f"{one}/")]
    assert [] == inner


def test_sources():
    """Whatever waits for an asset reads a folder of the example that updates it."""
    dags = {file: load(file) for file in sorted(EXAMPLES.glob("*.py"))}
    folders, checked = {}, set()
    for task in (task for dag in dags.values() for task in dag.tasks):
        arguments = getattr(task, "partial_kwargs", vars(task))
        for asset in arguments.get("outlets") or ():
            assert asset.uri not in folders
            folders[asset.uri] = (arguments.get("source"), arguments["destination"])

    for file, dag in dags.items():
        awaited = re.search(r'schedule=\[Asset\("(.+)"\)\]', file.read_text())
        for task in dag.tasks if awaited else ():
            if source := getattr(task, "source", None):
                assert source in folders[awaited[1]], dag.dag_id
                checked.add(dag.dag_id)

    assert 7 == len(checked)


def test_nothing_else_installed():
    """Every example parses where nothing is installed but this package."""
    script = f"""
import runpy, sys
from pathlib import Path
providers = ["amazon.aws", "apache.iceberg.hooks", "google.cloud"]
providers += ["postgres.hooks", "snowflake.hooks"]
sys.modules.update({{f"airflow.providers.{{each}}": None for each in providers}})
sys.modules.update(adbc_driver_postgresql=None, duckdb=None, pyarrow=None, snowflake=None)
sys.modules.update(deltalake=None, pyiceberg=None)
for file in Path({str(EXAMPLES)!r}).glob("*.py"):
    runpy.run_path(str(file))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_changes(api, lake, monkeypatch):
    """The daily snapshot, and then what changed in it."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))

    run = run_by_hand(load(EXAMPLES / "mailpartner_changes.py"), noon())

    assert {"land_unsubscribes": "success", "land_changes": "success"} == run.states
    receipt = json.loads(lake.files()[f"unsubscribe_changes/_receipts/dt={today()}.json"])
    assert (3, None) == (receipt["added"], receipt["previous_snapshot_date"])
    assert (run.dag_run.run_id, "land_changes") == (receipt["run_id"], receipt["task_id"])


def test_changes_by_asset(api, lake, monkeypatch):
    """What changed, once the event of the snapshot's asset names the day."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))
    task = load(EXAMPLES / "mailpartner_daily_local.py").get_task("land_unsubscribes")
    nightly = CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris")
    landed = operator(task.destination, today(), outlets=task.outlets)
    follower = load(EXAMPLES / "mailpartner_changes_by_asset.py")

    _, run = run_by_scheduler(dag_of(landed, schedule=nightly, due=midnight(days_ago(5))), follower)

    assert {"land_changes": "success"} == run.states
    assert f"daily/unsubscribe_changes/dt={today()}/part-00000.parquet" in lake.files()


def test_changes_by_several_events():
    """Of several events, the newest day counts, in whatever order they were: its changes include
    those of the days before."""
    task = load(EXAMPLES / "mailpartner_changes_by_asset.py").get_task("land_changes")
    extras = [{"snapshot_date": str(days_ago(days))} for days in (2, 0, 1)]
    events = {"asset": [SimpleNamespace(extra=extra) for extra in extras]}

    for name in ("triggering_asset_events", "triggering_dataset_events"):
        assert str(today()) == task.render_template(task.snapshot_date, {name: events})


def test_local(api, lake, monkeypatch):
    """The daily snapshot in a local folder."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))

    run = run_by_hand(load(EXAMPLES / "mailpartner_daily_local.py"), noon())

    assert {"land_unsubscribes": "success"} == run.states
    assert f"daily/unsubscribes/dt={today()}/part-00000.parquet" in lake.files()


def test_s3(api, bucket, monkeypatch):
    """The daily snapshot in S3."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_BUCKET", "lake")

    run = run_by_hand(load(EXAMPLES / "mailpartner_daily_s3.py"), noon())

    assert {"land_unsubscribes": "success"} == run.states
    assert f"mailpartner/unsubscribes/dt={today()}/part-00000.parquet" in bucket


def test_many_accounts(lake, monkeypatch):
    """Each account's list lies in a folder of its own; one that is refused leaves the others."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_ACCOUNTS", '["shoes", "hats", "gloves"]')
    with StandIn(THREE[:1]) as shoes, StandIn(THREE[:2]) as hats, StandIn(THREE) as gloves:
        connect(monkeypatch, shoes, conn_id="mailpartner_shoes")
        connect(monkeypatch, hats, conn_id="mailpartner_hats", password="wrong-key")
        connect(monkeypatch, gloves, conn_id="mailpartner_gloves")

        run_by_hand(load(EXAMPLES / "mailpartner_many_accounts.py"), noon())

    receipts = {
        path.parts[-3]: json.loads(path.read_text())["rows"]
        for path in (lake / "accounts").glob("account=*/_receipts/*.json")
    }
    assert {"account=shoes": 1, "account=gloves": 3} == receipts
