"""Landings that the scheduler of a line of Airflow starts, and its task runner runs."""

from __future__ import annotations

import threading

import pytest

from mailpartner_provider.compat import airflow_version
from mailpartner_provider.hooks.connection import key_forms
from mailpartner_provider.testing.answers import Answer
from tests.campaigns.lines.line import CHANGES
from tests.support.api import THREE, at_once
from tests.support.lake import Lake
from tests.support.servers import PATIENCE_SECONDS, wait_until


@pytest.fixture
def over():
    """Set when a test is over, so that an answer ends that was kept waiting."""
    event = threading.Event()
    yield event
    event.set()


def waiting(over):
    """Begin a good answer of some megabytes, which does not end while a test runs."""
    record = b'{"id": 1, "email": "a@example.com", "createdAt": null},'
    yield b'{"success": true, "code": 200, "data": [' + record * 100_000
    over.wait(PATIENCE_SECONDS)


def test_landing(airflow, lake_folder):
    """A landing succeeds. The event of its asset carries the receipt, and triggers the changes."""
    airflow.command("dags", "trigger", "landed")

    assert "success" == airflow.ends("landed")
    landed = Lake(lake_folder / "daily" / "unsubscribes")
    assert len(THREE) == len(landed.rows()) == landed.receipt()["rows"]
    assert [landed.receipt()["sha256"]] == [event["sha256"] for event in airflow.events("landed")]

    assert "success" == airflow.ends(CHANGES)
    changes = Lake(lake_folder / "daily" / "unsubscribe_changes")
    assert len(THREE) == len(changes.rows()) == changes.receipt()["added"]


def test_stopped(airflow, accounts, lake_folder, over):
    """A landing that is cleared while it runs is stopped: it publishes nothing and leaves no
    scratch files. The retry lands."""
    accounts["stopped"].script(Answer(waiting(over)))
    lake = Lake(lake_folder / "stopped")

    airflow.command("dags", "trigger", "stopped")
    wait_until(lake.scratch)
    airflow.command("dags", "pause", "stopped")  # so that the retry waits
    airflow.command("tasks", "clear", "--yes", "stopped")
    wait_until(lambda: not lake.scratch())

    assert [] == list(lake_folder.glob("stopped/*"))
    assert [] == list((airflow.folder / "tmp").glob(".mailpartner-*"))
    assert [] == airflow.events("stopped")

    if airflow_version() == (3, 0):  # where it would stay in the state restarting
        airflow.command("tasks", "clear", "--yes", "stopped")
    airflow.command("dags", "unpause", "stopped")

    assert "success" == airflow.ends("stopped")
    assert 2 == len(accounts["stopped"].asked)
    assert len(THREE) == len(lake.rows())
    assert [lake.receipt()["sha256"]] == [event["sha256"] for event in airflow.events("stopped")]


def test_failing(airflow, accounts, lake_folder):
    """A landing whose four tries all fail is tried again by Airflow, and lands."""
    accounts["failing"].script(*[at_once(status=503)] * 4)

    airflow.command("dags", "trigger", "failing")

    assert "success" == airflow.ends("failing")
    assert [("success", 2)] == airflow.landings("failing")
    assert 5 == len(accounts["failing"].asked)
    assert len(THREE) == len(Lake(lake_folder / "failing").rows())
    assert 1 == len(airflow.events("failing"))


def test_refused(airflow, accounts, lake_folder):
    """A landing whose key is refused fails at once, without using up the retries."""
    airflow.command("dags", "trigger", "refused")

    assert "failed" == airflow.ends("refused")
    assert [("failed", 1)] == airflow.landings("refused")
    assert 1 == len(accounts["refused"].asked)
    assert not (lake_folder / "refused").exists()
    assert [] == airflow.events("refused")


def test_mapped(airflow, lake_folder):
    """Each mapped task lands its own account; its receipt says which one, and is in its event."""
    airflow.command("dags", "trigger", "mapped")

    assert "success" == airflow.ends("mapped")
    accounts = [f"mailpartner_{name}" for name in ("shoes", "hats", "gloves")]
    receipts = [Lake(lake_folder / "mapped" / account).receipt() for account in accounts]
    expected = list(zip(accounts, range(len(accounts)), strict=True))
    assert expected == [(each["conn_id"], each["map_index"]) for each in receipts]
    assert expected == [(each["conn_id"], each["map_index"]) for each in airflow.events("mapped")]
    assert [("success", 1)] * len(accounts) == airflow.landings("mapped")


def test_logs(airflow, accounts):
    """No process of this Airflow has logged a key or an address in the runs above."""
    log = airflow.log()

    assert "Landing the snapshot of" in log
    keys = {form for api in accounts.values() for form in key_forms(api.key)}
    assert not [key for key in keys if key in log]
    assert not [each["email"] for each in THREE if each["email"] in log]
