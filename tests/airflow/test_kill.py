"""A landing that is stopped: it ends, not in success, and publishes nothing.

What it waits for never comes, so that to end at all is to have been stopped.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from airflow.models import DagRun

from mailpartner_provider.errors import LandingStopped
from mailpartner_provider.testing.answers import Answer
from tests.support.api import connect
from tests.support.days import today
from tests.support.landing import land, operator
from tests.support.waiting import PATIENCE_SECONDS, wait_until

#: A connection that a stop must not have to wait for.
PATIENT = {"read_timeout": PATIENCE_SECONDS}

DAG_FILE = """
from datetime import datetime, timezone

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

with DAG({dag_id!r}, schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc)) as dag:
    UnsubscribeToParquetOperator(task_id="land", destination={destination!r}, snapshot_date={day!r})

if __name__ == "__main__":
    dag.test()
"""


@pytest.fixture(autouse=True)
def patient(api, monkeypatch):
    """A connection to the API that waits longer than a stop may take."""
    connect(monkeypatch, api, extra=PATIENT)


@pytest.fixture
def over():
    """Set when a test is over, so that endless answers end."""
    event = threading.Event()
    yield event
    event.set()


def endless(over, *, silent):
    """Begin a good answer, of some megabytes, that does not end while a test has patience."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    record = b'{"id": 1, "email": "a@example.com", "createdAt": null},'
    yield b'{"success": true, "code": 200, "data": [' + record * 100_000
    while time.monotonic() < ends_at and not over.wait(0.02):
        if not silent:
            yield record


def staged_in(*folders):
    """List the files of landings that are under way."""
    return [file for folder in folders for file in folder.glob(".mailpartner-landing-*/part.*")]


@contextmanager
def killed_when(operator, met):
    """Kill a task from another thread as soon as a condition is met."""

    def kill():
        try:
            wait_until(met)
        finally:
            operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()


class TestOnKill:
    @pytest.mark.parametrize("silent", [True, False])
    def test_answer(self, api, lake, over, silent):
        """on_kill stops a landing whose answer is under way, whether or not anything arrives."""
        land(lake)
        before = lake.files()
        api.script(Answer(endless(over, silent=silent)))
        task = operator(lake)

        with pytest.raises(LandingStopped), killed_when(task, lake.scratch):
            task.execute({})

        assert before == lake.files()
        assert [] == lake.scratch()

    def test_no_answer(self, api, lake, monkeypatch):
        """on_kill stops a landing whose request is not being answered."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            mute_url = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
            connect(monkeypatch, api, host=mute_url, extra=PATIENT)
            task = operator(lake)
            asked = []
            threading.Thread(target=lambda: asked.append(mute.accept())).start()

            with pytest.raises(LandingStopped), killed_when(task, lambda: asked):
                task.execute({})

            asked[0][0].close()
        assert not lake.exists()

    def test_between_tries(self, api, lake):
        """on_kill stops a landing that waits for its next try."""
        api.script(Answer(b"", 503, {"Retry-After": "60"}))
        task = operator(lake)

        with pytest.raises(LandingStopped), killed_when(task, lambda: api.asked):
            task.execute({})

        assert 1 == len(api.asked)
        assert not lake.exists()

    def test_early(self, api, lake):
        """on_kill before anything was asked stops the landing too."""
        task = operator(lake)
        task.on_kill()

        with pytest.raises(LandingStopped):
            task.execute({})

        assert not lake.exists()


class TestSigterm:
    def test_process(
        self, request, database, api, store, over, tmp_path, tmp_path_factory, monkeypatch
    ):
        """SIGTERM to the process of a task ends it, not in success; the destination is as it was,
        and scratch files are gone."""
        temporary = tmp_path_factory.mktemp("temporary")
        scratch_folders = [temporary, tmp_path / "lake" / "unsubscribes"]
        dag_id = f"killed_{request.node.callspec.id}"
        land(store)
        before = store.files()
        api.script(Answer(endless(over, silent=True)))
        dag_file = tmp_path / "dags" / "killed.py"
        dag_file.parent.mkdir()
        dag_file.write_text(
            DAG_FILE.format(dag_id=dag_id, destination=str(store), day=str(today()))
        )
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dag_file.parent))
        monkeypatch.setenv("TMPDIR", str(temporary))

        with subprocess.Popen([sys.executable, dag_file]) as process:
            try:
                wait_until(lambda: staged_in(*scratch_folders) or process.poll() is not None)
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()

        (run,) = DagRun.find(dag_id=dag_id)
        assert ["failed"] == [str(task.state) for task in run.get_task_instances()]
        assert before == store.files()
        assert [] == [path for each in scratch_folders for path in each.glob(".mailpartner-*")]
