"""Loads that are killed or stopped, or meet a landing: each day is in the table whole, or not."""

from __future__ import annotations

import json
from itertools import count
from threading import Thread

import pytest

from mailpartner_provider.errors import LandingStopped
from mailpartner_provider.warehouse.session import Stop
from tests.support.changes import ANNE, BJORN, CARLA, DORA
from tests.support.days import days_ago, today, yesterday
from tests.support.deadly import killed, load_stepwise
from tests.support.snapshots import put_snapshot
from tests.support.waiting import wait_until
from tests.support.warehouses import CONN_ID, in_order, load, rows_of


def held(server):
    """Return all rows of the table; none if there is no table yet."""
    try:
        return in_order(server.query("SELECT * FROM unsubscribes"))
    except Exception as error:
        assert "unsubscribes" in str(error)
        return []


def landed(lake, *days):
    return in_order(rows_of(lake.folder, "hats", days or None))


def of_day(rows, day):
    return [row for row in rows if day in row]


@pytest.mark.parametrize("dataset", ["current", "snapshots"])
def test_killed_at_each_step(lake, server, dataset):
    """Wherever it is killed, the table has each day as it was before or as it is then, and the
    next load makes it equal to the lake."""
    days = [today()] if dataset == "current" else [yesterday(), today()]
    for steps in count():
        put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
        put_snapshot(lake.folder, today(), [ANNE])
        load(lake, dataset, account="hats")
        before = landed(lake, *days)
        assert before == held(server)
        put_snapshot(lake.folder, yesterday(), [CARLA])
        put_snapshot(lake.folder, today(), [BJORN, CARLA, DORA])

        was_killed = killed(str(lake), dataset, server.connection, steps)

        for day in days:
            assert of_day(held(server), day) in (of_day(before, day), landed(lake, day))
        if not was_killed:
            break
    assert landed(lake, *days) == held(server)
    assert steps > 10 * len(days)


def test_killed_in_the_first_load(lake, server):
    """The first load of an empty database goes on where it was killed."""
    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN][: 1 + days % 2])
    for steps in range(0, 30, 3):
        killed(str(lake), "snapshots", server.connection, steps)
        assert set(held(server)) <= set(landed(lake))

    load(lake, "snapshots", account="hats")

    assert landed(lake) == held(server)


@pytest.mark.parametrize("dataset", ["current", "snapshots"])
def test_landed_while_loaded(lake, server, dataset):
    """A day that is landed again while it is loaded is loaded as it is then."""
    put_snapshot(lake.folder, today(), [ANNE])
    once = iter([[BJORN, CARLA]])

    def before(what):
        if what == "INSERT":
            for people in once:
                put_snapshot(lake.folder, today(), people)

    report = load_stepwise(str(lake), dataset, before)

    assert landed(lake) == held(server)
    assert (1, 2) == (report.days, report.rows)


def test_newer_list_while_loaded(lake, server):
    """When the next day is landed while a list is loaded, the table gets the newer list."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    once = iter([[BJORN, CARLA]])

    def before(what):
        if what == "INSERT":
            for people in once:
                put_snapshot(lake.folder, today(), people)

    report = load_stepwise(str(lake), "current", before)

    assert landed(lake, today()) == held(server)
    assert (1, 2, str(today())) == (report.days, report.rows, report.newest_day)


@pytest.mark.engine
def test_overtaken(lake, postgres):
    """A load that another one overtakes with a newer list does not bring the older one back."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, account="hats")
    put_snapshot(lake.folder, yesterday(), [BJORN])
    once = iter([[BJORN, CARLA]])

    def before(what):
        if what == "waiting for other loads":
            for people in once:
                put_snapshot(lake.folder, today(), people)
                load(lake, account="hats")

    load_stepwise(str(lake), "current", before)

    assert landed(lake, today()) == held(postgres)


@pytest.mark.engine
@pytest.mark.parametrize("at", ["COMMIT", "DELETE"])  # of the tables; of the rows to replace
def test_at_once(lake, postgres, monkeypatch, at):
    """A first load that begins while another one runs waits, and sees then what that one loaded,
    also where transactions are isolated from each other by default."""
    options = {"options": r"-c default_transaction_isolation=repeatable\ read"}
    connection = json.dumps({**postgres.connection, "extra": options})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)
    put_snapshot(lake.folder, today(), [ANNE, BJORN])
    reports = []
    other = Thread(target=lambda: reports.append(load(lake, account="hats")))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    def before(what):
        if what == at and other.ident is None:
            other.start()
            wait_until(lambda: postgres.query(waiting) == [(1,)] or not other.is_alive())

    load_stepwise(str(lake), "current", before)
    other.join()

    assert [2] == [report["rows"] for report in reports]
    assert landed(lake) == held(postgres)


def test_landed_between_receipt_and_file(lake, server):
    """A file that is newer than the receipt which was read is loaded with its own receipt."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    put_snapshot(lake.folder, today(), [ANNE])
    once = iter([[BJORN, CARLA]])

    def before(what):
        if what == "DELETE":  # of yesterday
            for people in once:
                put_snapshot(lake.folder, today(), people)

    load_stepwise(str(lake), "snapshots", before)

    assert landed(lake) == held(server)


@pytest.mark.parametrize(
    "at", ["DELETE", "loading into unsubscribes", "SELECT", "INSERT", "COMMIT"]
)
def test_stopped(lake, server, at):
    """A load that is stopped leaves the day as it was."""
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, account="hats")
    before = held(server)
    put_snapshot(lake.folder, today(), [BJORN, CARLA])
    stop = Stop()

    with pytest.raises(LandingStopped):
        load_stepwise(str(lake), "current", lambda what: what == at and stop.stop(), stop)

    assert before == held(server)
