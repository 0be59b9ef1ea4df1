"""Changes in real runs: after the landing, and stopped."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from airflow.models import DagRun
from airflow.timetables.trigger import CronTriggerTimetable

from tests.support.changes import begin, comparing
from tests.support.dags import Step, dag_of
from tests.support.days import midnight, noon, today, yesterday
from tests.support.landing import operator
from tests.support.runs import AIRFLOW, run_by_hand, run_by_scheduler
from tests.support.sdk import Asset
from tests.support.snapshots import many, put_snapshot, put_table
from tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("database")

DAG_FILE = """
from datetime import datetime, timezone

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator

with DAG("compared", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc)) as dag:
    UnsubscribeChangesOperator(
        task_id="compare", source={source!r}, destination={destination!r}, snapshot_date={day!r}
    )

if __name__ == "__main__":
    dag.test()
"""


def test_after_the_landing(api, lake, feed):
    """The task after the landing lands the changes of the same day, and passes its receipt on, by
    XCom and by the event of every outlet asset."""
    asset = Asset("lake://changes")
    put_snapshot(lake, yesterday(), [(19, "anne@example.com", None, None)])
    begin(lake, feed)
    pulled, extras = [], []

    def pull(context):
        pulled.append(context["ti"].xcom_pull(task_ids="compare"))

    def listen(context):
        name = f"triggering_{'dataset' if AIRFLOW < (3,) else 'asset'}_events"
        extras.extend(event.extra for events in context[name].values() for event in events)

    first, _ = run_by_scheduler(
        dag_of(
            operator(lake, snapshot_date=None),
            comparing(lake, feed, snapshot_date=None, outlets=[asset]),
            Step(task_id="hear", does=pull),
            schedule=CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris"),
            due=midnight(today()),
        ),
        dag_of(Step(task_id="listen", does=listen), schedule=[asset]),
    )

    receipt = feed.receipt()
    assert {"land": "success", "compare": "success", "hear": "success"} == first.states
    assert [receipt] == pulled == extras
    assert (2, 1, 0) == (receipt["added"], receipt["changed_records"], receipt["removed"])


def test_backdated(lake, feed):
    """The changes of a backdated snapshot are skipped, and what comes after them."""
    put_snapshot(lake, today(), [], status="backdated")

    run = run_by_hand(
        dag_of(comparing(lake, feed, snapshot_date=None), Step(task_id="next")), noon()
    )

    assert {"compare": "skipped", "next": "skipped"} == run.states


def test_wrong_argument(lake, tmp_path):
    """A wrong argument fails at once, however many retries there are."""
    put_snapshot(lake, today(), [])

    run = run_by_hand(dag_of(comparing(lake, lake, snapshot_date=None, retries=3)), noon())

    assert {"compare": "failed"} == run.states
    assert 1 == run.tasks["compare"].try_number


def test_sigterm(lake, feed, tmp_path, monkeypatch):
    """SIGTERM to the process of a task ends it, not in success; nothing is published, and
    scratch files are gone."""
    put_table(lake, today(), many(4_000_000, today()))
    dags = tmp_path / "dags"
    dags.mkdir()
    day = str(today())
    code = DAG_FILE.format(source=str(lake), destination=str(feed), day=day)
    (dags / "compared.py").write_text(code)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))

    with subprocess.Popen([sys.executable, dags / "compared.py"]) as process:
        try:
            wait_until(
                lambda: (
                    list(feed.glob(".mailpartner-landing-*/duckdb")) or process.poll() is not None
                )
            )
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()

    (run,) = DagRun.find(dag_id="compared")
    assert ["failed"] == [str(task.state) for task in run.get_task_instances()]
    assert not feed.exists()
