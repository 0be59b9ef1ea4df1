"""A landing that is stopped: soon over, not a success, and nothing is published."""

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
from tests.conftest import TODAY, connect, files, land, operator
from tests.support.places import BucketFolder, Folder

PATIENCE_SECONDS = 60
SOON_SECONDS = 20

DAG_FILE = """
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

with DAG({dag_id!r}, schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc)) as dag:
    UnsubscribeToParquetOperator(task_id="land", destination={destination!r}, snapshot_date={day!r})

if __name__ == "__main__":
    dag.test()
"""


@pytest.fixture(autouse=True)
def impatient(api, monkeypatch):
    """A connection that a stop must not have to wait for, nor a test that fails."""
    connect(monkeypatch, api, extra={"read_timeout": 60})


@pytest.fixture
def over():
    """Set when a test is over, so that endless answers end."""
    event = threading.Event()
    yield event
    event.set()


def endless(over, *, silent):
    """Begin a good answer, of some megabytes, that does not end while a test has patience."""
    record = b'{"id": 1, "email": "a@example.com", "createdAt": null},'
    yield b'{"success": true, "code": 200, "data": [' + record * 100_000
    for _ in range(2000):
        if over.wait(0.02):
            return
        if not silent:
            yield record


def wait_until(met):
    """Wait for a condition; the test fails where it is never met."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() < began + PATIENCE_SECONDS, "waited in vain"
        time.sleep(0.02)


def scratch_in(folder):
    return list(folder.glob(".mailpartner-landing-*"))


def staged_in(*folders):
    return [file for folder in folders for file in folder.glob(".mailpartner-landing-*/part.*")]


@contextmanager
def killed_when(operator, met):
    """Kill a task from another thread as soon as a condition is met; it must end soon after."""
    killed_at = []

    def kill():
        try:
            wait_until(met)
        finally:
            killed_at.append(time.monotonic())
            operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()
        assert time.monotonic() < killed_at[0] + SOON_SECONDS


class TestOnKill:
    @pytest.mark.parametrize("silent", [True, False])
    def test_answer(self, api, lake, over, silent):
        """on_kill stops a landing whose answer is under way, whether or not anything arrives."""
        land(lake)
        before = files(lake)
        api.script(Answer(endless(over, silent=silent)))
        task = operator(lake)

        with pytest.raises(LandingStopped), killed_when(task, lambda: scratch_in(lake)):
            task.execute({})

        assert before == files(lake)
        assert [] == scratch_in(lake)

    def test_no_answer(self, api, lake, monkeypatch):
        """on_kill stops a landing whose request is not being answered."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            mute_url = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
            connect(monkeypatch, api, host=mute_url, extra={"read_timeout": 60})
            task = operator(lake)
            asked = []
            threading.Thread(target=lambda: asked.append(mute.accept())).start()

            with pytest.raises(LandingStopped), killed_when(task, lambda: asked):
                task.execute({})

            asked[0][0].close()
        assert not lake.exists()

    def test_between_tries(self, api, lake):
        """on_kill stops a landing that waits for its next try."""
        api.script(Answer(b"", 503, {"Retry-After": "10"}))
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
    @pytest.mark.parametrize("where", ["folder", "bucket"])
    def test_process(
        self, database, api, lake, bucket, over, tmp_path, tmp_path_factory, monkeypatch, where
    ):
        """SIGTERM to the process of a task ends it within seconds, not in success; the destination
        is as it was, and scratch files are gone."""
        place = Folder(lake) if where == "folder" else BucketFolder(bucket)
        temporary = tmp_path_factory.mktemp("temporary")
        land(place.destination)
        before = place.files()
        api.script(Answer(endless(over, silent=True)))
        dag_file = tmp_path / "dags" / "killed.py"
        dag_file.parent.mkdir()
        dag_file.write_text(
            DAG_FILE.format(dag_id=f"killed_{where}", destination=place.destination, day=str(TODAY))
        )
        monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dag_file.parent))
        monkeypatch.setenv("TMPDIR", str(temporary))

        with subprocess.Popen([sys.executable, dag_file]) as process:
            try:
                wait_until(lambda: staged_in(lake, temporary) or process.poll() is not None)
                process.send_signal(signal.SIGTERM)
                process.wait(SOON_SECONDS)
            finally:
                process.kill()

        (run,) = DagRun.find(dag_id=f"killed_{where}")
        assert ["failed"] == [str(task.state) for task in run.get_task_instances()]
        assert before == place.files()
        assert [] == scratch_in(lake) + scratch_in(temporary)
