"""What a load leaves in a table: the rows of the lake, whatever was landed, loaded or removed."""

from __future__ import annotations

import json
import os
import time

import pyarrow as pa
import pytest

from mailpartner_provider.compat import AirflowSkipException
from tests.support.api import THREE
from tests.support.changes import ANNE, BJORN, CARLA, DORA, comparing
from tests.support.days import days_ago, today, yesterday
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.snapshots import many, put_snapshot, put_table
from tests.support.warehouses import CONN_ID, in_order, load, rows_of

ACCOUNT = "mailpartner_default"


def held(warehouse, columns="*", table="unsubscribes"):
    """Return all rows of the table."""
    return in_order(warehouse.query(f"SELECT {columns} FROM {table}"))


def landed(lake, account=ACCOUNT, days=None):
    """Return all rows that the table should have."""
    return in_order(rows_of(lake.folder, account, days))


class TestCurrent:
    def test_newest_list(self, api, lake, warehouse):
        """The table is the newest live list, to the microsecond and the null."""
        api.unsubscribes = [{**THREE[0], "why": "☂ \"quoted\", 'text'\n"}, *THREE[1:]]
        land(lake, yesterday())
        land(lake)

        report = load(lake)

        assert landed(lake, days=[today()]) == held(warehouse)
        assert (1, 3, str(today())) == (report["days"], report["rows"], report["newest_day"])

    def test_next_list(self, api, lake, warehouse):
        """The next list takes the place of the one before."""
        put_snapshot(lake.folder, days_ago(1), [ANNE, BJORN], conn_id=ACCOUNT)
        load(lake)
        put_snapshot(lake.folder, today(), [BJORN, CARLA, DORA], conn_id=ACCOUNT)

        load(lake)

        assert landed(lake, days=[today()]) == held(warehouse)

    @pytest.mark.engine  # takes ten seconds
    def test_wide_rows(self, lake, duckdb_file):
        """DuckDB loads rows that exceed its memory limit, too."""
        text = os.urandom(32_000).hex()
        wide = [text[number : number + 4_000] for number in range(60_000)]
        rows = many(60_000, today())
        place = rows.schema.get_field_index("extra_fields")
        rows = rows.set_column(place, rows.schema.field(place), pa.array(wide))
        put_table(lake.folder, today(), rows, conn_id=ACCOUNT)

        assert load(lake)["rows"] == 60_000
        assert duckdb_file.query("SELECT count(*) FROM unsubscribes") == [(60_000,)]

    def test_backdated(self, lake, warehouse):
        """A backdated snapshot is not the current list, however new it is."""
        put_snapshot(lake.folder, days_ago(1), [ANNE, BJORN])
        put_snapshot(lake.folder, today(), [BJORN], status="backdated")

        load(lake, account="hats")

        assert landed(lake, "hats", [days_ago(1)]) == held(warehouse)

    def test_list_of_the_future(self, lake, warehouse):
        """A list that a wrong clock dated a year ahead is not the current one."""
        put_snapshot(lake.folder, days_ago(-365), [ANNE])
        put_snapshot(lake.folder, today(), [ANNE, BJORN])

        load(lake, account="hats")

        assert landed(lake, "hats", [today()]) == held(warehouse)

    def test_no_live_snapshot(self, lake, warehouse):
        """With backdated snapshots alone, there is no current list, and the task is skipped."""
        put_snapshot(lake.folder, today(), [BJORN], status="backdated")

        with pytest.raises(AirflowSkipException, match="no live snapshot"):
            load(lake, account="hats")

    def test_emptied(self, lake, warehouse):
        """A list that has become empty leaves no row."""
        put_snapshot(lake.folder, yesterday(), [ANNE])
        load(lake, account="hats")
        put_snapshot(lake.folder, today(), [])

        load(lake, account="hats")

        assert [] == held(warehouse)

    def test_by_day_of_opt_out(self, api, lake, warehouse):
        """A list that lies in a partition for each day of opt-out is loaded whole."""
        land(lake, partition_by="created")
        days = ["2015-07-20", "2025-10-26", "__HIVE_DEFAULT_PARTITION__"]

        for _ in range(2):
            load(lake)

        assert landed(lake, days=days) == held(warehouse)

        api.unsubscribes = THREE[1:]
        land(lake, partition_by="created")
        load(lake)

        assert landed(lake, days=days[1:]) == held(warehouse)

    def test_table_changed_by_others(self, lake, warehouse):
        """A list that lost rows in the warehouse is loaded again, and so is a dropped table."""
        put_snapshot(lake.folder, today(), [ANNE, BJORN])
        load(lake, account="hats")
        for change in ("DELETE FROM unsubscribes WHERE id = 1", "DROP TABLE unsubscribes"):
            warehouse.query(change)

            load(lake, account="hats")

            assert landed(lake, "hats") == held(warehouse)

    def test_never_backwards(self, lake, server):
        """An older list never takes the place of a newer one that was loaded."""
        put_snapshot(lake.folder, yesterday(), [ANNE])
        put_snapshot(lake.folder, today(), [ANNE, BJORN])
        load(lake, account="hats")
        before = held(server)
        lake.receipt_path().unlink()

        with pytest.raises(Exception, match=f"is of {yesterday()}, but that of {today()} is load"):
            load(lake, account="hats")

        assert before == held(server)


class TestDays:
    def test_all_days(self, lake, warehouse):
        """The first run loads every day that lies there; the next one nothing."""
        for days in range(5, 0, -1):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN, CARLA][: 1 + days % 3])
        put_snapshot(lake.folder, today(), [])

        first = load(lake, "snapshots", account="hats")
        loaded_at = held(warehouse, "snapshot_date, loaded_at", "unsubscribes_loaded")
        second = load(lake, "snapshots", account="hats")

        assert landed(lake, "hats") == held(warehouse)
        assert (6, 0) == (first["days"], first["unchanged_days"])
        assert (0, 0, 6) == (second["days"], second["rows"], second["unchanged_days"])
        assert loaded_at == held(warehouse, "snapshot_date, loaded_at", "unsubscribes_loaded")

    def test_landed_again(self, lake, warehouse):
        """A day that was landed again is replaced, and no other is touched."""
        for days in (2, 1, 0):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
        load(lake, "snapshots", account="hats")
        put_snapshot(lake.folder, yesterday(), [CARLA, DORA])

        report = load(lake, "snapshots", account="hats")

        assert landed(lake, "hats") == held(warehouse)
        assert (1, 2) == (report["days"], report["unchanged_days"])

    def test_same_count(self, lake, warehouse):
        """A day with as many rows as before, but others, is replaced."""
        put_snapshot(lake.folder, today(), [ANNE])
        load(lake, "snapshots", account="hats")
        put_snapshot(lake.folder, today(), [BJORN])

        load(lake, "snapshots", account="hats")

        assert landed(lake, "hats") == held(warehouse)

    @pytest.mark.parametrize("removed_days", ["keep", "delete"])
    def test_removed(self, lake, warehouse, removed_days, log):
        """A day that the lake has no more stays, and is counted in the log, or goes."""
        for days in (2, 1, 0):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
        load(lake, "snapshots", account="hats")
        before = held(warehouse)
        lake.partition(days_ago(2)).unlink()
        lake.receipt_path(days_ago(2)).unlink()

        report = load(lake, "snapshots", account="hats", removed_days=removed_days)

        if removed_days == "delete":
            assert landed(lake, "hats") == held(warehouse)
            assert 1 == report["removed_days"]
        else:
            assert before == held(warehouse)
            assert "Keeping 1 day of unsubscribes that" in log()
        assert 0 == load(lake, "snapshots", account="hats", removed_days="delete")["days"]

    def test_removed_though_changed(self, lake, server):
        """A day that the lake has no more goes, also if somebody has changed it in the table."""
        for days in (1, 0):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
        load(lake, "snapshots", account="hats")
        server.query(f"DELETE FROM unsubscribes WHERE id = 1 AND snapshot_date = '{yesterday()}'")
        lake.partition(yesterday()).unlink()
        lake.receipt_path(yesterday()).unlink()

        load(lake, "snapshots", account="hats", removed_days="delete")

        assert landed(lake, "hats") == held(server)

    def test_removed_though_not_recorded(self, lake, server):
        """A day that the lake has no more goes, also after its record was deleted because the
        source had moved."""
        for days in (1, 0):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
        load(lake, "snapshots", account="hats")
        server.query("DELETE FROM unsubscribes_loaded")
        lake.partition(yesterday()).unlink()
        lake.receipt_path(yesterday()).unlink()

        report = load(lake, "snapshots", account="hats", removed_days="delete")

        assert landed(lake, "hats") == held(server)
        assert (1, 1) == (report["days"], report["removed_days"])

    def test_changes(self, lake, feed, warehouse):
        """The changes of each day, those of days on which nothing changed among them."""
        for days, people in ((3, [ANNE, BJORN]), (2, [ANNE, BJORN]), (1, [BJORN, CARLA])):
            put_snapshot(lake.folder, days_ago(days), people, conn_id=ACCOUNT)
            comparing(lake, feed, days_ago(days), max_removed=None).execute({})

        load(feed, "changes")

        assert landed(feed) == held(warehouse)
        assert 3 == len(held(warehouse, "*", "unsubscribes_loaded"))

    def test_receipts(self, lake, warehouse):
        """Each receipt is a row, with days and instants as such."""
        for days in (2, 1, 0):
            put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN][:days])

        for _ in range(2):
            load(lake, "receipts", account="hats")

        columns = "account, snapshot_date, row_count, sha256, changed, previous_snapshot_date"
        receipts = [lake.receipt(days_ago(days)) for days in (2, 1, 0)]
        expected = [
            ("hats", days_ago(days), each["rows"], each["sha256"], each["changed"], None)
            for days, each in zip((2, 1, 0), receipts, strict=True)
        ]
        assert in_order(expected) == [(*row[:-1], None) for row in held(warehouse, columns)]

    def test_receipts_of_changes(self, lake, feed, warehouse):
        """The receipts of changes have columns of their own."""
        put_snapshot(lake.folder, today(), [ANNE, BJORN])
        comparing(lake, feed).execute({})

        load(feed, "receipts", account="hats")

        assert [("hats", 2, 0)] == held(warehouse, "account, added, removed")


class TestAccounts:
    @pytest.mark.parametrize("dataset", ["current", "snapshots", "receipts"])
    def test_side_by_side(self, tmp_path, warehouse, dataset):
        """Several accounts share a table, and none removes the rows of another."""
        lakes = {name: Lake(tmp_path / name) for name in ("shoes", "hats", "gloves")}
        for number, lake in enumerate(lakes.values(), 1):
            put_snapshot(lake.folder, today(), [ANNE, BJORN, CARLA][:number])
        for _ in range(2):
            for name, lake in lakes.items():
                load(lake, dataset, account=name)
        put_snapshot(lakes["hats"].folder, today(), [DORA])

        load(lakes["hats"], dataset, account="hats")

        if dataset == "receipts":
            assert [("gloves", 3), ("hats", 1), ("shoes", 1)] == held(
                warehouse, "account, row_count"
            )
        else:
            expected = [row for name, lake in lakes.items() for row in landed(lake, name)]
            assert in_order(expected) == held(warehouse)

    def test_of_receipts(self, api, lake, warehouse):
        """By default an account is called after the connection that landed it."""
        land(lake)

        assert "mailpartner_default" == load(lake)["account"]
        assert {("mailpartner_default",)} == set(held(warehouse, "account"))


@pytest.mark.parametrize("email_mode", ["sha256", "drop"])
def test_email_modes(api, lake, warehouse, email_mode):
    """The table has the columns of the files, whatever was landed of an address."""
    land(lake, email_mode=email_mode)

    load(lake)

    assert landed(lake) == held(warehouse)


@pytest.mark.parametrize("length", [1, 56])
def test_length_of_names(lake, server, length):
    """A table's name may be as long as its companions' names allow."""
    put_snapshot(lake.folder, today(), [ANNE])
    name = "t" * length

    for _ in range(2):
        load(lake, "snapshots", account="hats", table=name)

    assert landed(lake, "hats") == held(server, table=name)
    assert 1 == len(held(server, table=f"{name}_loaded"))


@pytest.fixture
def new_york(monkeypatch):
    """A machine in New York."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_instants_without_zone(lake, server):
    """In a table made by hand, instants without a time zone are in UTC, wherever the task runs."""
    server.query(
        "CREATE TABLE unsubscribes (account VARCHAR, id BIGINT, email VARCHAR, created_at "
        "TIMESTAMP, snapshot_date DATE, extra_fields VARCHAR)"
    )
    put_snapshot(lake.folder, today(), [ANNE])

    load(lake, account="hats")

    assert [(ANNE[2].replace(tzinfo=None),)] == held(server, "created_at")


@pytest.mark.engine
def test_rows_as_dicts(lake, postgres, monkeypatch):
    """A connection whose extra asks for rows as dicts, for other tasks, is read as well."""
    connection = json.dumps({**postgres.connection, "extra": {"cursor": "dictcursor"}})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)
    put_snapshot(lake.folder, today(), [ANNE, BJORN])

    reports = [load(lake, "snapshots", account="hats") for _ in range(2)]

    assert [1, 0] == [report["days"] for report in reports]
    assert landed(lake, "hats") == held(postgres)


@pytest.mark.engine
def test_nul(lake, postgres, log):
    """PostgreSQL has no text with a NUL in it: such rows are loaded without it, and counted."""
    put_snapshot(lake.folder, today(), [ANNE, (7, "z\x00oe@example.com\x00", None, "{}"), CARLA])

    load(lake, account="hats")

    expected = [(1, ANNE[1]), (3, CARLA[1]), (7, "zoe@example.com")]
    assert expected == held(postgres, "id, email")
    assert "1 rows had a NUL in a text" in log()
    assert "zoe" not in log()
