"""Changes in real runs: after the landing, and stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from airflow.models import DagRun
from airflow.providers.common.compat.sdk import Asset
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.conftest import TODAY, YESTERDAY, files, operator
from tests.support.dags import NOON, Step, dag_of, midnight
from tests.support.runs import AIRFLOW, PATIENCE_SECONDS, run_by_hand, run_by_scheduler
from tests.support.snapshots import many, put_snapshot, put_table

pytestmark = pytest.mark.usefixtures("database")

DAG_FILE = """
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator

with DAG("told", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc)) as dag:
    UnsubscribeChangesOperator(
        task_id="tell", source={source!r}, destination={destination!r}, snapshot_date={day!r}
    )

if __name__ == "__main__":
    dag.test()
"""


def telling(lake, feed, **arguments):
    return UnsubscribeChangesOperator(
        task_id="tell", source=str(lake), destination=str(feed), **arguments
    )


def test_after_the_landing(api, lake, tmp_path):
    """The task after the landing tells the changes of the same day, and hands its receipt on, by
    XCom and by the event of every outlet asset."""
    feed, asset = tmp_path / "changes", Asset("lake://changes")
    put_snapshot(lake, YESTERDAY, [(19, "anne@example.com", None, None)])
    pulled, extras = [], []

    def pull(context):
        pulled.append(context["ti"].xcom_pull(task_ids="tell"))

    def listen(context):
        name = f"triggering_{'dataset' if AIRFLOW < (3,) else 'asset'}_events"
        extras.extend(event.extra for events in context[name].values() for event in events)

    first, _ = run_by_scheduler(
        dag_of(
            operator(lake, snapshot_date=None),
            telling(lake, feed, outlets=[asset]),
            Step(task_id="hear", does=pull),
            schedule=CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris"),
            due=midnight(TODAY),
        ),
        dag_of(Step(task_id="listen", does=listen), schedule=[asset]),
    )

    receipt = json.loads(files(feed)[f"_receipts/dt={TODAY}.json"])
    assert {"land": "success", "tell": "success", "hear": "success"} == first.states
    assert [receipt] == pulled == extras
    assert (2, 1, 0) == (receipt["added"], receipt["changed_records"], receipt["removed"])


def test_backdated(lake, tmp_path):
    """The changes of a backdated snapshot are skipped, and what comes after them."""
    put_snapshot(lake, TODAY, [], status="backdated")

    run = run_by_hand(dag_of(telling(lake, tmp_path / "changes"), Step(task_id="next")), NOON)

    assert {"tell": "skipped", "next": "skipped"} == run.states


def test_wrong_argument(lake, tmp_path):
    """A wrong argument fails at once, however many retries there are."""
    put_snapshot(lake, TODAY, [])

    run = run_by_hand(dag_of(telling(lake, lake, retries=3)), NOON)

    assert {"tell": "failed"} == run.states
    assert 1 == run.tasks["tell"].try_number


def test_sigterm(lake, tmp_path, monkeypatch):
    """SIGTERM to the process of a task ends it soon, not in success; nothing is published, and
    scratch files are gone."""
    put_table(lake, TODAY, many(4_000_000, TODAY))
    feed, dags = tmp_path / "changes", tmp_path / "dags"
    dags.mkdir()
    day = str(TODAY)
    code = DAG_FILE.format(source=str(lake), destination=str(feed), day=day)
    (dags / "told.py").write_text(code)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))

    with subprocess.Popen([sys.executable, dags / "told.py"]) as process:
        try:
            while not list(feed.glob(".mailpartner-landing-*/duckdb")):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()

    (run,) = DagRun.find(dag_id="told")
    assert ["failed"] == [str(task.state) for task in run.get_task_instances()]
    assert not feed.exists()
