"""What cannot be loaded: one error that says what to do, the table as it was, nobody quoted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import traceback

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, WrongArgument
from mailpartner_provider.warehouse.dialects import DIALECTS
from tests.support.changes import ANNE, BJORN, CARLA, comparing
from tests.support.days import days_ago, today, yesterday
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.snapshots import put_snapshot
from tests.support.warehouses import CONN_ID, in_order, load, loading, rows_of
from tests.support.wrong import refused


def held(server):
    return in_order(server.query("SELECT * FROM unsubscribes"))


def landed(lake, *days):
    return in_order(rows_of(lake.folder, "hats", days or None))


def texts_of(error):
    """Return all that an error carries: its texts, its chain, the variables below this test."""
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__.tb_next), capture_locals=True
    )
    chain, texts = [error], frames.format()
    for each in chain:
        texts.append(repr(each))
        chain += [one for one in (each.__cause__, each.__context__) if one and one not in chain]
    return "".join(texts)


@pytest.fixture
def loaded(lake, server):
    """A list of yesterday that was loaded, and one of today that was not."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, account="hats")
    put_snapshot(lake.folder, today(), [BJORN, CARLA])
    return lake


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"dataset": "all"}, "dataset: expected 'current', 'changes', 'snapshots' or 'receipts'"),
        ({"table": "x; DROP TABLE unsubscribes"}, "table: expected a name such as 'unsubscribes'"),
        ({"table": "x." + 57 * "y"}, "table: expected a name such as 'unsubscribes'"),
        ({"table": "None"}, "table: expected a name such as 'unsubscribes'"),
        ({"account": "None"}, "account: expected a name, or None without a template, got 'None'"),
        ({"account": " "}, "account: expected a name, or None without a template, got ' '"),
        ({"removed_days": "drop"}, "removed_days: expected 'keep' or 'delete'"),
        ({"history_view": "history"}, "history_view: only applies to dataset='changes'"),
        ({"source": "lake"}, "source: expected an absolute local folder"),
    ],
)
def test_wrong_when_parsed(loaded, server, arguments, problem):
    """A wrong argument that is no template fails while the DAG is parsed, and is named; one that a
    template gave fails the task."""
    before = held(server)

    refused(loading, loaded, arguments, problem)

    assert before == held(server)


def test_template(loaded):
    """An argument that is a template is not judged while the DAG is parsed."""
    loading("{{ params.lake }}", "changes", table="{{ params.table }}", history_view="{{ 'x y' }}")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"dataset": "changes"},
            "source: .* holds mailpartner.unsubscribes, and dataset='changes'",
        ),
        ({"dataset": "snapshots"}, "dataset: the table unsubscribes holds 'current' of hats"),
        (
            {"account": "shoes"},
            "account: .* is loaded into unsubscribes as hats: set account='hats'",
        ),
        ({"source": "/nowhere"}, "source: file:///nowhere has no readable receipt"),
        (
            {"conn_id": "mailpartner_default"},
            "conn_id: .* is of type 'mailpartner': expected one of",
        ),
    ],
)
def test_wrong_argument(api, loaded, server, arguments, problem):
    """An argument that asks for something else than what is there."""
    before = held(server)
    arguments = {"source": loaded, "account": "hats", **arguments}

    with pytest.raises(AirflowFailException, match=f"^{problem}"):
        load(**arguments)

    assert before == held(server)


def test_no_such_connection(loaded, server):
    """A connection that does not exist fails the task at once, with the cure."""
    with pytest.raises(
        AirflowFailException, match="^conn_id: the connection nowhere does not exist"
    ):
        load(loaded, account="hats", conn_id="nowhere")


def test_provider_not_installed(monkeypatch):
    """A connection whose provider cannot be imported; Airflow keeps that in mind, so elsewhere."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "redshift"}))
    script = """
import sys
sys.modules["airflow.providers.amazon.aws.hooks.redshift_sql"] = None
from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.hooks.warehouse import open_warehouse
try:
    open_warehouse("warehouse", None).__enter__()
except WrongArgument as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "conn_id: the hook of warehouse cannot be made: install the provider of its" in shown


def test_redshift_reads_s3():
    """Redshift reads files from S3, and from no other place."""
    DIALECTS["redshift"].check_source("s3://lake/unsubscribes")

    with pytest.raises(WrongArgument, match="source: Redshift reads files from s3:// only, not"):
        DIALECTS["redshift"].check_source("gs://lake/unsubscribes")


def test_changes_as_list(lake, feed, server):
    """A feed of changes is no list."""
    put_snapshot(lake.folder, today(), [ANNE])
    comparing(lake, feed).execute({})

    with pytest.raises(AirflowFailException, match="holds mailpartner.unsubscribe_changes, and"):
        load(feed, account="hats")


def test_days_of_opt_out_as_snapshots(api, lake, server):
    """A list by day of opt-out has no snapshots."""
    land(lake, partition_by="created")

    with pytest.raises(AirflowFailException, match="use dataset='current'"):
        load(lake, "snapshots")


def test_two_sources_of_one_account(loaded, server, tmp_path):
    """Two folders cannot take turns in the rows of one account."""
    other = Lake(tmp_path / "other")
    put_snapshot(other.folder, today(), [CARLA])
    before = held(server)

    with pytest.raises(AirflowFailException, match="account: hats in the table unsubscribes is of"):
        load(other, account="hats")

    assert before == held(server)


def test_no_account(lake, server):
    """Receipts that name no connection need an account."""
    put_snapshot(lake.folder, today(), [CARLA], conn_id=None)

    with pytest.raises(AirflowFailException, match="names no connection: set account"):
        load(lake)


def test_other_columns(loaded, server, tmp_path, api):
    """A table of another email_mode is named with its columns before anything is deleted."""
    hashed = Lake(tmp_path / "hashed")
    land(hashed, email_mode="sha256")
    before = held(server)

    with pytest.raises(
        AirflowFailException, match="lacks the column email_sha256 and has the column email"
    ):
        load(hashed, account="shoes")

    assert before == held(server)


def test_column_too_many(loaded, server, tmp_path, api):
    """The list without addresses does not fit a table with them."""
    dropped = Lake(tmp_path / "dropped")
    land(dropped, email_mode="drop")

    with pytest.raises(AirflowFailException, match="has the column email: choose another"):
        load(dropped, account="shoes")


def test_own_columns(lake, server):
    """Columns that somebody added stay empty."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, account="hats")
    server.query("ALTER TABLE unsubscribes ADD COLUMN note VARCHAR")
    put_snapshot(lake.folder, today(), [BJORN])

    load(lake, account="hats")

    assert [(*row, None) for row in landed(lake, today())] == held(server)


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_damaged_file(lake, server, damage):
    """A day whose file does not match its receipt is named, and all others are loaded."""
    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
    file = lake.partition(yesterday())
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(lake.partition().read_bytes())

    with pytest.raises(BadData, match=f"dt={yesterday()}.* (is missing|does not match)"):
        load(lake, "snapshots", account="hats")

    assert landed(lake, days_ago(2), today()) == held(server)


def test_unreadable_receipt(lake, server):
    """A day whose receipt is damaged is named, and all others are loaded."""
    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
    lake.receipt_path(yesterday()).write_text("{")

    with pytest.raises(BadData, match=f"the receipt of {yesterday()} in .* cannot be read"):
        load(lake, "snapshots", account="hats")

    assert landed(lake, days_ago(2), today()) == held(server)


@pytest.mark.parametrize(
    ("member", "value"), [("rejected", None), ("previous_rows", "3"), ("bytes", 2**63)]
)
def test_wrong_member(lake, server, member, value):
    """A receipt with a value of another type is named, and all other receipts are loaded."""
    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE])
    receipt = lake.receipt(yesterday())
    lake.receipt_path(yesterday()).write_text(json.dumps({**receipt, member: value}))

    with pytest.raises(BadData, match=f"the receipt of {yesterday()} has no valid {member}: rest"):
        load(lake, "receipts", account="hats")

    days = server.query("SELECT snapshot_date FROM unsubscribes ORDER BY snapshot_date")
    assert [(days_ago(2),), (today(),)] == days


def test_unreadable_receipt_alone(lake, server):
    """When no other list is live, a damaged receipt is an error, and no reason to skip the task."""
    put_snapshot(lake.folder, yesterday(), [ANNE], status="backdated")
    put_snapshot(lake.folder, today(), [ANNE, BJORN])
    lake.receipt_path().write_text("{")

    with pytest.raises(BadData, match=f"the receipt of {today()} in .* cannot be read"):
        load(lake, account="hats")


def test_receipt_damaged_since(loaded, server):
    """When the receipt of the loaded list is damaged later, that is the error, not the older list
    before it, which does not take its place."""
    load(loaded, account="hats")
    before = held(server)
    loaded.receipt_path().write_text("{")

    with pytest.raises(BadData, match=f"^the receipt of {today()} in .* be read.*; 1 more days"):
        load(loaded, account="hats")

    assert before == held(server)


def test_future_receipt(loaded, server):
    """A receipt of a later version fails the task, which says which version wrote it."""
    before = held(server)
    put_snapshot(loaded.folder, today(), [ANNE], receipt_version=9)

    with pytest.raises(BadData, match=r"was written by mailpartner-provider .*: upgrade this one"):
        load(loaded, account="hats")

    assert before == held(server)


def test_wrong_count(loaded, server):
    """A file with fewer rows than its receipt declares changes nothing."""
    before = held(server)
    put_snapshot(loaded.folder, today(), [BJORN], rows=2)

    with pytest.raises(BadData, match=f"1 rows of {today()} were loaded, but its receipt declares"):
        load(loaded, account="hats")

    assert before == held(server)


def test_refused_rows(lake, server, log):
    """Rows that the database refuses are quoted nowhere: not in the error, its chain, its frames,
    nor in the log; the table is as it was."""
    put_snapshot(lake.folder, today(), [(1, "anne.secret@example.com", None, '{"q": "secret"}')])
    server.query(
        "CREATE TABLE unsubscribes (account VARCHAR, id BIGINT, email VARCHAR, created_at "
        "TIMESTAMPTZ NOT NULL, snapshot_date DATE, extra_fields VARCHAR)"
    )

    with pytest.raises(OSError) as caught:
        load(lake, account="hats")

    expected = f"connection {CONN_ID}: loading into unsubscribes failed: "
    assert re.match(
        expected + r"(ConstraintException|NotNullViolation, SQLSTATE 23502)$", str(caught.value)
    )
    assert "secret" not in texts_of(caught.value) + log()
    assert [] == held(server)


@pytest.mark.engine
def test_read_only(lake, postgres, monkeypatch):
    """A database that may only be read says so."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, account="hats")
    put_snapshot(lake.folder, today(), [BJORN])
    options = {"options": "-c default_transaction_read_only=on"}
    connection = json.dumps({**postgres.connection, "extra": options})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)
    before = held(postgres)

    with pytest.raises(OSError, match=f"connection {CONN_ID}: DELETE failed: ReadOnlySqlTransact"):
        load(lake, account="hats")

    assert before == held(postgres)


@pytest.mark.engine
def test_no_rights(lake, postgres, monkeypatch):
    """A database in which no table may be created says so, in its own words."""
    put_snapshot(lake.folder, today(), [ANNE])
    postgres.query("DROP SCHEMA public CASCADE")

    with pytest.raises(OSError, match=r"creating the table failed: InvalidSchemaName: no schema"):
        load(lake, account="hats")


@pytest.mark.parametrize("host", [":memory:", ":memory:lake", None])
def test_database_in_memory(lake, monkeypatch, host):
    """A database that is gone when the task ends is refused."""
    put_snapshot(lake.folder, today(), [ANNE])
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "duckdb", "host": host}))

    with pytest.raises(AirflowFailException, match="set the host of gone to the database file"):
        load(lake, account="hats", conn_id="gone")


def test_unreachable(lake, tmp_path, monkeypatch):
    """A database that is not there is named, with the cause."""
    put_snapshot(lake.folder, today(), [ANNE])
    file = str(tmp_path / "nowhere" / "file")
    monkeypatch.setenv("AIRFLOW_CONN_LOST", json.dumps({"conn_type": "duckdb", "host": file}))

    with pytest.raises(OSError, match="connection lost: cannot connect: .*No such file"):
        load(lake, account="hats", conn_id="lost")
