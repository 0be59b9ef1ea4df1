"""The intervals in which people were suppressed: what a look at every snapshot finds as well."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import count
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailpartner_provider.hooks.warehouse import open_warehouse
from tests.support.changes import comparing
from tests.support.days import days_ago
from tests.support.deadly import load_stepwise
from tests.support.docs import block
from tests.support.erasing import erased
from tests.support.intervals import comebacks, intervals, key_of
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.snapshots import put_snapshot
from tests.support.waiting import wait_until
from tests.support.warehouses import CONN_ID, in_order, load

CAME_BACK = block("docs/guides/loading.md", "sql", "AS back")
COLUMNS = "account, email_key, id, created_at, seen_from, gone_by, last_seen_on"
EARLY, LATE = (datetime(year, 7, 20, 8, tzinfo=timezone.utc) for year in (2015, 2025))
ADDRESSES = ["anne@example.com", " Anne@Example.com\t", "\u00a0björn@example.com\n", "ÉLODIE@x"]
RECORDS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(ADDRESSES),
        st.sampled_from([None, EARLY, LATE]),
        st.sampled_from([None, "{}"]),
    ),
    max_size=5,
)


def held(server, where="") -> list[tuple]:
    return in_order(server.query(f"SELECT {COLUMNS} FROM history {where}"))


@pytest.mark.parametrize(
    "kind", ["duckdb_file", pytest.param("postgres", marks=pytest.mark.engine)]
)
def test_as_in_the_snapshots(request, tmp_path_factory, kind):
    """Whoever is added, removed, changed or listed twice, under one id or another."""
    server = request.getfixturevalue(kind)
    runs = iter(range(10_000))

    @settings(max_examples=15)
    @given(lists=st.lists(RECORDS, min_size=1, max_size=6))
    def check(lists):
        folder = tmp_path_factory.mktemp("lake")
        lake, feed = Lake(folder / "unsubscribes"), Lake(folder / "changes")
        table = f"changes_{next(runs)}"
        days = {days_ago(len(lists) - number): records for number, records in enumerate(lists)}
        for day, records in days.items():
            put_snapshot(lake.folder, day, records)
            comparing(lake, feed, day, max_removed=None).execute({})

        server.query("DROP VIEW IF EXISTS history")
        load(feed, "changes", account="hats", table=table, history_view="history")

        assert intervals("hats", days) == held(server)
        assert comebacks("hats", days) == in_order(server.query(CAME_BACK))

    check()


def load_days(lake, feed, days, **arguments):
    """Put snapshots, land their changes, and load these with the view."""
    for ago, records in days.items():
        put_snapshot(lake.folder, days_ago(ago), records)
        comparing(lake, feed, days_ago(ago), max_removed=None).execute({})
    arguments = {"account": "hats", "history_view": "history", **arguments}
    return load(feed, "changes", **arguments)


ANNE = (1, "anne@example.com", EARLY, None)


@pytest.mark.engine
def test_at_once(tmp_path, postgres):
    """Loads that create the view at the same time wait for each other."""
    feeds = [Lake(tmp_path / name) for name in ("hats", "shoes")]
    for feed in feeds:
        put_snapshot(tmp_path / "list", days_ago(1), [ANNE])
        comparing(Lake(tmp_path / "list"), feed, days_ago(1), max_removed=None).execute({})
    reports = []

    def load_shoes():
        reports.append(load(feeds[1], "changes", account="shoes", history_view="history"))

    other = Thread(target=load_shoes)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    commits = count(1)

    def before(what):
        if what == "COMMIT" and next(commits) == 3:  # of the tables, of the day, of the view
            other.start()
            wait_until(lambda: postgres.query(waiting) == [(1,)] or not other.is_alive())

    load_stepwise(str(feeds[0]), "changes", before, history_view="history")
    other.join()

    assert [1] == [report["days"] for report in reports]
    assert [("hats",), ("shoes",)] == in_order(postgres.query("SELECT account FROM history"))


def test_questions(lake, feed, server):
    """Since when, ever removed, on the list on a day, came back: each is a plain question."""
    load_days(lake, feed, {5: [ANNE], 4: [], 2: [(7, "ANNE@example.com ", LATE, None)]})
    anne = f"WHERE email_key = '{key_of(ANNE[1])}'"

    assert [
        ("hats", key_of(ANNE[1]), 1, EARLY, days_ago(5), days_ago(4), days_ago(5)),
        ("hats", key_of(ANNE[1]), 7, LATE, days_ago(2), None, None),
    ] == held(server, anne)
    for ago, listed in ((5, 1), (4, 0), (3, 0), (2, 1)):
        day = days_ago(ago)
        on_list = f"'{day}' >= seen_from AND (gone_by IS NULL OR '{day}' < gone_by)"
        assert [(listed,)] == server.query(f"SELECT count(*) FROM history {anne} AND {on_list}")


def test_erased(lake, feed, server):
    """A person whose address was erased from a later day keeps the key."""
    redacted = (1, f"sha256:{key_of(ANNE[1])}", EARLY, None)
    load_days(lake, feed, {2: [ANNE], 1: [redacted]})

    assert [("hats", key_of(ANNE[1]), 1, EARLY, days_ago(2), None, None)] == held(server)


@pytest.mark.engine
def test_being_read(lake, feed, postgres, monkeypatch):
    """A load that finds nothing new does not wait for whoever reads the view."""
    load_days(lake, feed, {1: [ANNE]})
    options = {"options": "-c lock_timeout=1"}
    connection = json.dumps({**postgres.connection, "extra": options})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)

    with open_warehouse(CONN_ID, None) as (_, reading):
        reading.execute("SELECT * FROM history")
        report = load(feed, "changes", account="hats", history_view="history")

    assert (0, 1) == (report["days"], report["unchanged_days"])


def test_view_added_later(lake, feed, server):
    """A view that is asked for once all days are loaded is created as well."""
    load_days(lake, feed, {1: [ANNE]}, history_view=None)
    load(feed, "changes", account="hats", history_view="history")

    assert 1 == len(held(server))


def test_name_of_a_table(lake, feed, server):
    """A table with the name of the view is an error in each load, also if nothing is new."""
    for days in ({1: [ANNE]}, {}):
        with pytest.raises(OSError, match="creating the view failed: .*unsubscribes"):
            load_days(lake, feed, days, history_view="unsubscribes")


def test_erased_beside_another(lake, feed, server):
    """The key of a record of two people, one of whom was erased, is the hash of that one; the
    address of the other does not get into the view."""
    put_snapshot(lake.folder, days_ago(1), [(1, "anne@example.com, bob@example.com", EARLY, None)])
    erased(lake, "anne@example.com")
    comparing(lake, feed, days_ago(1)).execute({})
    assert "bob@example.com" in feed.rows(days_ago(1))[0]["email"]

    load(feed, "changes", account="hats", history_view="history")

    expected = ("hats", key_of("anne@example.com"), 1, EARLY, days_ago(1), None, None)
    assert [expected] == held(server)


@pytest.mark.parametrize("email_mode", ["sha256", "drop"])
def test_email_modes(api, lake, feed, server, email_mode):
    """A hash that was landed is the key; where nothing was landed there is none."""
    land(lake, email_mode=email_mode)
    comparing(lake, feed).execute({})
    load(feed, "changes", history_view="history")

    plain = [key_of(row["email"]) for row in api.unsubscribes]
    expected = plain if email_mode == "sha256" else [None] * 3
    assert sorted(expected, key=str) == sorted((row[1] for row in held(server)), key=str)


def test_next_day(lake, feed, server):
    """The view follows the table, and is replaced by each load."""
    load_days(lake, feed, {2: [ANNE]})
    load_days(lake, feed, {1: []})

    assert [days_ago(1)] == [row[5] for row in held(server)]
