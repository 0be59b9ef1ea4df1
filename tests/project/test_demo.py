"""The demo, with its landings made here instead of by airflow commands."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
import time_machine

from demo import run
from docs import plots
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.support.days import PARIS
from tests.support.lake import files
from tests.support.landing import land

NOW = datetime(2026, 11, 23, 18, tzinfo=PARIS)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The demo's folder, in a place of its own."""
    monkeypatch.delenv("MAILPARTNER_API_KEY", raising=False)
    for name, path in {"HOME": tmp_path, "LAKE": "lake", "PICTURE": "picture.png"}.items():
        monkeypatch.setattr(run, name, tmp_path / path)
    return tmp_path


def land_day(now: datetime) -> None:
    """Land a day as the demo's DAG does."""
    day = str(now.date())
    source, destination = (str(run.LAKE / name) for name in ("unsubscribes", "unsubscribe_changes"))
    with time_machine.travel(now, tick=False):
        land(source, snapshot_date=day)
        UnsubscribeChangesOperator(
            task_id="changes", source=source, destination=destination, snapshot_date=day
        ).execute({})


def test_two_days(home, monkeypatch, capsys):
    """Two days of the made-up list show what was added, removed and changed, and a picture."""
    with run.account(NOW) as opened:
        connection = run.airflow_settings(opened)["AIRFLOW_CONN_MAILPARTNER_DEFAULT"]
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", connection)
        land_day(NOW - timedelta(days=1))
        opened.next_day()
        land_day(NOW)

    run.show(NOW.date())
    run.show_next(NOW.date())

    assert opened.made_up
    shown = capsys.readouterr().out
    assert ["120", "40", "4"] == [
        line.split()[1]
        for line in shown.splitlines()
        if line.startswith(("  added", "  removed", "  changed"))
    ]
    assert "picture.png" in shown
    assert "How many people opted out each month?" == plots.remembered(run.PICTURE)[0]


def test_truncated(home, monkeypatch, capsys):
    """An answer with half of the list is refused by a real task, which is shown while it runs, and
    nothing has changed."""
    now = datetime.now(PARIS)
    with run.account(now) as opened:
        settings = run.airflow_settings(opened)
        connection = settings["AIRFLOW_CONN_MAILPARTNER_DEFAULT"]
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", connection)
        land_day(now)
        before = files(run.LAKE)
        opened.truncate()

        run.refuse_truncated({**os.environ, **settings}, now.date())

    assert before == files(run.LAKE)
    shown = capsys.readouterr().out
    assert "Try 3 of 4 failed" in shown
    assert "it declares 10000 records and holds 5000" in shown
    assert "All 4 files in the lake are as they were" in shown


def test_whole_answer(home, monkeypatch, capsys):
    """An answer that is not refused stops the demo."""
    with (
        run.account(NOW) as opened,
        pytest.raises(SystemExit, match="A truncated answer was landed"),
    ):
        run.refuse_truncated(run.airflow_settings(opened), NOW.date())


def test_progress(home, capsys):
    """While a command runs, a dot appears each second, and what the package logs."""
    script = home / "slow.py"
    script.write_text(
        "import time; print('x Landed 3 unsubscribes [airflow.task] y'); time.sleep(2)"
    )

    run.run({"PYTHONPATH": str(home)}, "slow")

    shown = capsys.readouterr().out
    assert "\n  Landed 3 unsubscribes " in shown
    assert "." in shown


def test_real_account(home, monkeypatch):
    """A real account's list is no made-up one, so that the clock is left alone."""
    monkeypatch.setenv("MAILPARTNER_API_KEY", "some-key")

    with run.account(NOW) as opened:
        assert ("some-key", False) == (opened.key, opened.made_up)


def test_clock(tmp_path):
    """A module that is run by another clock begins at its moment, with its own arguments."""
    (tmp_path / "tells.py").write_text(
        "import sys, datetime; print(datetime.date.today(), *sys.argv[1:])"
    )
    command = [sys.executable, "-m", "demo.clock", "2020-02-29T12:00:00+01:00", "tells", "on", "-x"]

    told = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, cwd=run.PROJECT, capture_output=True, text=True
    )

    assert "2020-02-29 on -x\n" == told.stdout, told.stderr
