"""The example that loads a Delta table: the table equals the lake, whatever happens to either."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from itertools import count

import pytest

from tests.support.bucket import KEY, REGION, SECRET
from tests.support.changes import ANNE, BJORN, CARLA, DORA
from tests.support.days import days_ago, noon, today, yesterday
from tests.support.deltas import EXAMPLE, killed, load, load_stepwise, rows
from tests.support.docs import block
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.readers import by_clickhouse, by_duckdb, by_polars
from tests.support.runs import load as load_dag
from tests.support.runs import run_by_hand
from tests.support.snapshots import many, put_snapshot, put_table
from tests.support.warehouses import in_order, rows_of

pytestmark = pytest.mark.engine

ACCOUNT = "mailpartner_default"


@pytest.fixture
def table(tmp_path):
    """The place of a table that does not exist yet."""
    return tmp_path / "table"


def held(table, version=None):
    return in_order(rows(table, version))


def landed(lake, account=ACCOUNT):
    return in_order(rows_of(lake.folder, account))


def version_of(table):
    from deltalake import DeltaTable

    return DeltaTable(str(table)).version()


def of_day(rows, day):
    return [row for row in rows if day in row]


def test_every_day(lake, table):
    """The first load is of every day, one without rows too; a second one changes nothing."""
    put_snapshot(lake.folder, days_ago(3), [ANNE, BJORN])
    put_snapshot(lake.folder, days_ago(2), [])
    put_snapshot(lake.folder, yesterday(), [ANNE, ANNE])

    load(lake, table)
    files = sorted(table.rglob("*"))
    load(lake, table)

    assert landed(lake) == held(table)
    assert files == sorted(table.rglob("*"))


def test_landed_again(lake, table):
    """A day that was landed again is replaced by one version, whose history has its receipt."""
    from deltalake import DeltaTable

    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, table)
    before, version = landed(lake), version_of(table)
    receipt = put_snapshot(lake.folder, today(), [CARLA, DORA])

    load(lake, table)

    assert landed(lake) == held(table)
    assert version + 1 == version_of(table)
    assert before == held(table, version)
    (last,) = DeltaTable(str(table)).history(1)
    assert json.loads(receipt.to_json()) == json.loads(last["mailpartner.receipt"])


def test_emptied(lake, table):
    """A day that was landed again without rows has none."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    put_snapshot(lake.folder, today(), [ANNE, BJORN])
    load(lake, table)
    put_snapshot(lake.folder, today(), [])

    load(lake, table)

    assert 1 == len(held(table))
    assert landed(lake) == held(table)


def test_back_to_what_it_was(lake, table):
    """A day that becomes what it once was gets the file back that it had then."""
    for people in ([ANNE], [BJORN], [ANNE]):
        put_snapshot(lake.folder, today(), people)
        load(lake, table)

    assert landed(lake) == held(table)
    assert 2 == len([*table.rglob("*.parquet")])


def test_two_accounts(lake, table, tmp_path):
    """Accounts share a table, also with the same list; each replaces its own days."""
    other = Lake(tmp_path / "other")
    for folder, account in ((lake.folder, ACCOUNT), (other.folder, "hats")):
        put_snapshot(folder, today(), [ANNE], conn_id=account)
    load(lake, table)
    load(other, table)
    put_snapshot(lake.folder, today(), [BJORN, CARLA])

    load(lake, table)

    assert in_order([*landed(lake), *landed(other, "hats")]) == held(table)
    assert {ACCOUNT: 2, "hats": 1} == Counter(row[0] for row in held(table))


def test_other_columns(api, lake, table, tmp_path):
    """A list of another email_mode does not change the columns of the table."""
    hashed = Lake(tmp_path / "hashed")
    land(hashed, email_mode="sha256")
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, table)
    before = held(table)

    with pytest.raises(ValueError, match=r"has other columns than .*: choose another table"):
        load(hashed, table)

    assert before == held(table)


def test_damaged(lake, table):
    """A file that does not match its receipt is not loaded, but newer days are."""
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE])
    lake.partition(yesterday()).write_bytes(lake.partition().read_bytes())

    with pytest.raises(ValueError, match="does not match its receipt: run again, or land it"):
        load(lake, table)

    assert of_day(landed(lake), today())[:1] == held(table)


def test_killed_at_each_line(lake, table):
    """Wherever it is killed, the table has each day as it was before or as it is then, and the
    next load makes it equal to the lake."""
    days = [yesterday(), today()]
    for lines in count():
        put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
        put_snapshot(lake.folder, today(), [ANNE])
        load(lake, table)
        before = landed(lake)
        assert before == held(table)
        put_snapshot(lake.folder, yesterday(), [CARLA])
        put_snapshot(lake.folder, today(), [BJORN, CARLA, DORA])

        was_killed = killed(lake.folder, table, lines)

        for day in days:
            assert of_day(held(table), day) in (of_day(before, day), of_day(landed(lake), day))
        load(lake, table)
        assert landed(lake) == held(table)
        if not was_killed:
            break
    assert lines > 40


@pytest.mark.parametrize("first", [True, False])
def test_another_load_at_each_line(lake, tmp_path, first):
    """A second load that begins and ends within the first: each day is in the table once, even if
    the first load fails."""
    for line in count():
        table = tmp_path / f"table-{line}"
        if not first:
            put_snapshot(lake.folder, today(), [ANNE])
            load(lake, table)
        put_snapshot(lake.folder, yesterday(), [DORA])
        put_snapshot(lake.folder, today(), [BJORN, CARLA])
        lines = count()

        def before(line=line, table=table, lines=lines):
            if line == next(lines):
                load(lake, table)

        try:
            load_stepwise(lake, table, before)
        except Exception:
            assert landed(lake) == held(table)
        load(lake, table)

        assert landed(lake) == held(table)
        if next(lines) <= line:
            break
    assert line > 40


def test_landed_at_each_line(lake, tmp_path):
    """A day that is landed again while it is loaded is loaded as it was, as it is, or not."""
    for line in count():
        table = tmp_path / f"table-{line}"
        put_snapshot(lake.folder, today(), [ANNE])
        earlier = landed(lake)
        lines = count()

        def before(line=line, lines=lines):
            if line == next(lines):
                put_snapshot(lake.folder, today(), [BJORN, CARLA])

        try:
            load_stepwise(lake, table, before)
        except ValueError as error:
            assert "does not match its receipt" in str(error)
        assert held(table) in ([], earlier, landed(lake))
        load(lake, table)

        assert landed(lake) == held(table)
        if next(lines) <= line:
            break
    assert line > 20


def test_readers(lake, table, monkeypatch):
    """DuckDB, ClickHouse and Polars find the same rows, after an empty day and a replaced one."""
    monkeypatch.chdir(table.parent)
    put_snapshot(lake.folder, days_ago(2), [])
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, table)
    put_table(lake.folder, today(), many(20_000, today()))
    load(lake, table)

    assert landed(lake) == in_order(by_duckdb("delta", table))
    assert landed(lake) == in_order(by_clickhouse("deltaLakeLocal", table))
    assert landed(lake) == in_order(by_polars(table))


def test_vacuum(lake, table):
    """The page's lines remove the copies that only old versions have."""
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, table)
    put_snapshot(lake.folder, today(), [BJORN])
    load(lake, table)
    code = block("docs/guides/delta.md", "python", "vacuum")
    code = code.replace("/var/lib/lake/daily/unsubscribes_delta", str(table))
    code = code.replace("720", "0, enforce_retention_duration=False")

    exec(code)

    assert 1 == len([*table.rglob("*.parquet")])
    assert landed(lake) == held(table)


def test_bucket(api, bucket_lake, monkeypatch):
    """The lake and the table in S3, whose keys delta-rs finds in the environment."""
    bucket = bucket_lake.bucket
    keys = {"ENDPOINT_URL": bucket.url, "REGION": REGION, "ALLOW_HTTP": "true"}
    keys |= {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET}
    for name, value in keys.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    table = "s3://aws_default@lake/delta"
    arguments = (str(bucket_lake), table)

    # Of another process: delta-rs waits for the server without letting other threads run.
    with multiprocessing.get_context("spawn").Pool(1) as process:
        land(bucket_lake)
        process.apply(load, arguments)
        api.unsubscribes = api.unsubscribes[1:]
        land(bucket_lake)
        process.apply(load, arguments)
        found = process.apply(rows, (table,))

    assert sorted(row["email"] for row in api.unsubscribes) == sorted(row[2] for row in found)


@pytest.mark.usefixtures("database")
def test_example(api, lake, monkeypatch):
    """The example loads what lies where the landing puts it."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))
    daily = Lake(lake.folder / "daily" / "unsubscribes")
    land(daily)

    run = run_by_hand(load_dag(EXAMPLE), noon())

    assert {"load": "success"} == run.states
    assert landed(daily) == held(lake.folder / "daily" / "unsubscribes_delta")
