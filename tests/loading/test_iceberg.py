"""Iceberg tables that equal the lake, whatever happens to either."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, Conflict, LandingStopped
from tests.support.changes import ANNE, BJORN, CARLA, DORA, compare
from tests.support.days import days_ago, noon, today, yesterday
from tests.support.docs import block
from tests.support.erasing import erased
from tests.support.icebergs import NAME, Iceberg, load, loading
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.project import EXAMPLES
from tests.support.readers import by_clickhouse, by_duckdb
from tests.support.runs import load as load_dag
from tests.support.runs import run_by_hand
from tests.support.snapshots import many, put_snapshot, put_table
from tests.support.warehouses import in_order, rows_of
from tests.support.wrong import refused

pytestmark = pytest.mark.engine


def held(iceberg, **scan):
    return in_order(iceberg.rows(**scan))


def landed(lake, *days, account="hats"):
    return in_order(rows_of(lake.folder, account, days or None))


def of_day(rows, day):
    return [row for row in rows if day in row]


def of_account(account, rows):
    return [row for row in rows if row[0] == account]


@pytest.fixture
def loaded(lake, iceberg):
    """A list of yesterday that was loaded, and one of today that was not."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    load(lake, account="hats")
    put_snapshot(lake.folder, today(), [BJORN, CARLA])
    return lake


def test_every_day(lake, iceberg):
    """The first load is of every day, one without rows too; a second one changes nothing."""
    put_snapshot(lake.folder, days_ago(3), [ANNE, BJORN])
    put_snapshot(lake.folder, days_ago(2), [])
    put_snapshot(lake.folder, yesterday(), [ANNE, ANNE])

    first = load(lake, account="hats")
    snapshots = iceberg.summaries()
    second = load(lake, account="hats")

    assert landed(lake) == held(iceberg)
    assert (2, 4, 1) == (first["days"], first["rows"], first["unchanged_days"])
    assert (0, 0, 3) == (second["days"], second["rows"], second["unchanged_days"])
    assert snapshots == iceberg.summaries()


def test_glue_and_s3(lake, glue):
    """The same in another catalog, with a table in an object store."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, account="hats")
    put_snapshot(lake.folder, today(), [BJORN, CARLA])

    load(lake, account="hats")

    assert landed(lake) == held(glue)
    assert 0 == load(lake, account="hats")["days"]


def test_landed_again(lake, iceberg):
    """A day that was landed again is replaced by one snapshot, which has members of its receipt."""
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    receipt = put_snapshot(lake.folder, today(), [ANNE])
    load(lake, account="hats")
    before, earlier = landed(lake), iceberg.table().current_snapshot().snapshot_id
    receipt = put_snapshot(lake.folder, today(), [CARLA, DORA])

    load(lake, account="hats")

    *_, last = iceberg.summaries()
    assert landed(lake) == held(iceberg)
    assert before == held(iceberg, snapshot_id=earlier)
    assert ["append", "append", "overwrite"] == [each["operation"] for each in iceberg.summaries()]
    assert {
        "mailpartner.account": "hats",
        "mailpartner.dataset": "mailpartner.unsubscribes",
        "mailpartner.snapshot_date": str(today()),
        "mailpartner.status": "live",
        "mailpartner.sha256": receipt.sha256,
        "mailpartner.rows": "2",
        "mailpartner.provider_version": receipt.provider_version,
    } == {name: value for name, value in last.items() if name.startswith("mailpartner.")}


def test_readers(lake, iceberg, monkeypatch):
    """DuckDB and ClickHouse find the same rows, after an empty day and a replaced one."""
    put_snapshot(lake.folder, days_ago(2), [])
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, account="hats")
    put_table(lake.folder, today(), many(20_000, today()))
    load(lake, account="hats")
    metadata = Path(urlsplit(iceberg.table().metadata_location).path)
    monkeypatch.chdir(metadata.parents[1])

    assert landed(lake) == in_order(by_duckdb("iceberg", metadata))
    assert landed(lake) == in_order(by_clickhouse("icebergLocal", metadata.parents[1]))


def test_back_to_what_it_was(lake, iceberg):
    """A day that becomes what it once was gets the file back that it had then."""
    for people in ([ANNE], [BJORN], [ANNE]):
        put_snapshot(lake.folder, today(), people)
        load(lake, account="hats")

    assert landed(lake) == held(iceberg)
    assert 2 == len(iceberg.files())


def test_emptied_and_filled(lake, iceberg):
    """A day that becomes empty leaves the table, and comes back."""
    put_snapshot(lake.folder, yesterday(), [DORA])
    for people in ([ANNE], [], [BJORN]):
        put_snapshot(lake.folder, today(), people)
        load(lake, account="hats")

        assert landed(lake) == held(iceberg)


def test_expired(lake, iceberg):
    """What the table holds is known even when its old snapshots have expired."""
    for people in ([ANNE], [BJORN]):
        put_snapshot(lake.folder, today(), people)
        load(lake, account="hats")
    in_a_minute = datetime.now(timezone.utc) + timedelta(minutes=1)

    iceberg.table().maintenance.expire_snapshots().older_than(in_a_minute).commit()

    assert 1 == len(iceberg.summaries())
    assert 2 == len(iceberg.files())
    assert 0 == load(lake, account="hats")["days"]


def test_expire_with_files(lake, iceberg):
    """What the page shows deletes the files of expired snapshots, and no others."""
    names: dict = {}
    exec(block("docs/guides/iceberg.md", "python", "def expire"), names)
    for people in ([ANNE], [BJORN]):
        put_snapshot(lake.folder, today(), people)
        put_snapshot(lake.folder, yesterday(), [CARLA])
        load(lake, account="hats")

    names["expire"](iceberg.catalog, NAME, days=-1)

    assert 2 == len(iceberg.files())
    assert landed(lake) == held(iceberg)
    assert 0 == load(lake, account="hats")["days"]


@pytest.mark.usefixtures("database")
def test_example(tmp_path, monkeypatch, iceberg):
    """The example loads every landed day when it is run by hand."""
    named = Iceberg(iceberg.properties, "iceberg_default")
    monkeypatch.setenv("AIRFLOW_CONN_ICEBERG_DEFAULT", json.dumps(named.connection))
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(tmp_path))
    lake = Lake(tmp_path / "daily" / "unsubscribes")
    put_snapshot(lake.folder, yesterday(), [ANNE], conn_id="hats")
    put_snapshot(lake.folder, today(), [BJORN, CARLA], conn_id="hats")

    run = run_by_hand(load_dag(EXAMPLES / "mailpartner_load_iceberg.py"), noon())

    assert {"load": "success"} == run.states
    assert landed(lake) == in_order(named.rows())


def test_erased(api, lake, iceberg):
    """After an erasure, the next load replaces the days in which the person was."""
    api.unsubscribes = [{"id": "1", "email": "anne@example.com", "createdAt": None}]
    land(lake, email_mode="plain")
    load(lake)
    erased(lake, "anne@example.com")

    load(lake)

    assert landed(lake, account="mailpartner_default") == held(iceberg)
    assert "anne" not in str(held(iceberg))


def test_no_address_in_metadata(lake, iceberg):
    """The table's metadata has no value of a column with addresses, such as its least one."""
    put_snapshot(lake.folder, today(), [ANNE, CARLA])
    load(lake, account="hats")

    (entry,) = iceberg.table().inspect.files().to_pylist()
    bounds = {name: each["lower_bound"] for name, each in entry["readable_metrics"].items()}

    assert (1, today(), None, None) == tuple(
        bounds[name] for name in ("id", "snapshot_date", "email", "extra_fields")
    )
    assert "hats" == bounds["account"]


def test_changes(lake, feed, iceberg):
    """The changes of each day, in a table of their own."""
    put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
    put_snapshot(lake.folder, today(), [ANNE, CARLA])
    compare(lake, feed)

    load(feed, table="mailpartner.changes", account="hats")

    assert landed(feed) == in_order(iceberg.rows("mailpartner.changes"))
    assert landed(feed)


@pytest.mark.parametrize("email_mode", ["sha256", "drop"])
def test_email_modes(api, lake, iceberg, email_mode):
    """The columns are those of the files."""
    land(lake, email_mode=email_mode)

    load(lake)

    assert landed(lake, account="mailpartner_default") == held(iceberg)
    assert 3 == len(held(iceberg))


def test_accounts(tmp_path, iceberg):
    """Accounts share a table; each replaces its own days only."""
    names = [
        "a long name that begins as another one: 1",
        "a long name that begins as another one: 2",
    ]
    for number, account in enumerate([*names, "with/odd ?%#=chars"]):
        put_snapshot(tmp_path / str(number), today(), [ANNE])
        load(tmp_path / str(number), account=account)
        put_snapshot(tmp_path / str(number), today(), [BJORN, CARLA])
        load(tmp_path / str(number), account=account)
        put_snapshot(tmp_path / str(number), today(), [DORA][: number % 2])

    load(tmp_path / "1", account=names[1])
    load(tmp_path / "2", account="with/odd ?%#=chars")

    assert {names[0]: 2, names[1]: 1} == Counter(row[0] for row in iceberg.rows())


@pytest.mark.parametrize(("removed_days", "rows"), [("keep", 2), ("delete", 1)])
def test_removed_days(lake, iceberg, removed_days, rows):
    """Days that the lake no longer has are kept, or deleted."""
    put_snapshot(lake.folder, yesterday(), [ANNE])
    put_snapshot(lake.folder, today(), [ANNE])
    load(lake, account="hats")
    lake.partition(yesterday()).unlink()
    lake.receipt_path(yesterday()).unlink()

    report = load(lake, account="hats", removed_days=removed_days)

    assert rows == len(iceberg.rows())
    assert 2 - rows == report["removed_days"]


def test_rows_of_others(loaded, iceberg):
    """A day that somebody has added rows to, or removed rows from, is loaded again."""
    load(loaded, account="hats")
    expected = held(iceberg)
    table = iceberg.table()
    table.append(table.scan(row_filter=f"snapshot_date = '{today()}'").to_arrow())
    table.delete(f"snapshot_date = '{yesterday()}'")
    assert expected != held(iceberg)

    report = load(loaded, account="hats")

    assert 2 == report["days"]
    assert expected == held(iceberg)


def test_own_columns(loaded, iceberg):
    """Columns that somebody added stay empty, and those of the list may be in another order."""
    from pyiceberg.types import StringType

    with iceberg.table().update_schema() as update:
        update.add_column("note", StringType())
        update.move_first("id")

    load(loaded, account="hats")

    notes = [row.pop("note") for row in iceberg.table().scan().to_arrow().to_pylist()]
    assert [None, None, None] == notes
    assert 3 == len(iceberg.rows())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"table": "unsubscribes"},
            "table: expected a namespace and a name, such as 'mailpartner.",
        ),
        ({"table": "x; y.z"}, "table: expected a name such as"),
        ({"removed_days": "drop"}, "removed_days: expected 'keep' or 'delete'"),
        ({"source": "lake"}, "source: expected an absolute local folder"),
    ],
)
def test_wrong_when_parsed(loaded, iceberg, arguments, problem):
    """A wrong argument that is no template fails while the DAG is parsed, and is named; one that a
    template gave fails the task."""
    before = held(iceberg)

    refused(loading, loaded, arguments, problem)

    assert before == held(iceberg)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"table": "nowhere.unsubscribes"},
            "table: the catalog of lakehouse has no namespace nowh",
        ),
        ({"account": "shoes"}, "account: .* is loaded into mailpartner.unsubscribes as hats: set"),
        ({"source": "/nowhere"}, "source: file:///nowhere has no readable receipt"),
        (
            {"iceberg_conn_id": "mailpartner_default"},
            "iceberg_conn_id: .* is of type 'mailpartner'",
        ),
    ],
)
def test_wrong_argument(api, loaded, iceberg, arguments, problem):
    """An argument that asks for something else than what is there."""
    before = held(iceberg)

    with pytest.raises(AirflowFailException, match=f"^{problem}"):
        load(**{"source": loaded, "account": "hats", **arguments})

    assert before == held(iceberg)


def test_two_sources_of_one_account(loaded, iceberg, tmp_path):
    """Two folders cannot take turns in the rows of one account, unless the first has moved."""
    other = Lake(tmp_path / "other")
    put_snapshot(other.folder, today(), [CARLA])
    before = held(iceberg)

    with pytest.raises(
        AirflowFailException, match=r"has moved, set the .* mailpartner\.source\.ha"
    ):
        load(other, account="hats")

    assert before == held(iceberg)
    with iceberg.table().transaction() as transaction:
        transaction.set_properties({"mailpartner.source.hats": f"file://{other}"})
    load(other, account="hats", removed_days="delete")
    assert landed(other) == held(iceberg)


def test_days_of_opt_out(api, lake, iceberg):
    """A list by day of opt-out is refused."""
    land(lake, partition_by="created")

    with pytest.raises(AirflowFailException, match="name the destination of snapshots or changes"):
        load(lake)


def test_other_columns(api, loaded, iceberg, tmp_path):
    """A table of another email_mode is named with its columns, and stays as it was."""
    hashed = Lake(tmp_path / "hashed")
    land(hashed, email_mode="sha256")
    before = held(iceberg)

    with pytest.raises(
        AirflowFailException, match="lacks the column email_sha256 and has the colu"
    ):
        load(hashed, account="shoes")

    assert before == held(iceberg)


def table_of(iceberg, partitioned_by=("account", "snapshot_date"), **types):
    """Make a table by hand, with some columns of other types."""
    from pyiceberg import types as known
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform

    columns = {
        "account": known.StringType(),
        "id": known.LongType(),
        "email": known.StringType(),
        "created_at": known.TimestamptzType(),
        "snapshot_date": known.DateType(),
        "extra_fields": known.StringType(),
        **types,
    }
    fields = [
        known.NestedField(number, name, kind, required=name == "must")
        for number, (name, kind) in enumerate(columns.items(), 1)
    ]
    spec = [
        PartitionField([*columns].index(name) + 1, number, IdentityTransform(), name)
        for number, name in enumerate(partitioned_by, 1000)
    ]
    iceberg.catalog.create_table(NAME, Schema(*fields), partition_spec=PartitionSpec(*spec))


def test_table_made_by_hand(lake, iceberg):
    """A table that somebody made, with the partitions in another order."""
    table_of(iceberg, ("snapshot_date", "account"))
    put_snapshot(lake.folder, today(), [ANNE, CARLA])

    load(lake, account="hats")

    assert landed(lake) == held(iceberg)
    assert 0 == load(lake, account="hats")["days"]


def test_other_types(lake, iceberg):
    """Columns of other types are named, and those that must not be null."""
    from pyiceberg.types import IntegerType, StringType

    table_of(iceberg, id=IntegerType(), must=StringType())
    put_snapshot(lake.folder, today(), [ANNE])

    with pytest.raises(AirflowFailException, match="has id as int, not long and must as required"):
        load(lake, account="hats")


def test_other_partitions(lake, iceberg):
    """A table with other partitions is refused."""
    table_of(iceberg, ["snapshot_date"])
    put_snapshot(lake.folder, today(), [ANNE])

    with pytest.raises(
        AirflowFailException, match=r"is partitioned by identity\(snapshot_date\): choose"
    ):
        load(lake, account="hats")


def test_files_of_other_partitions(loaded, iceberg):
    """Files from before the table was partitioned otherwise are not replaced."""
    with iceberg.table().update_spec() as update:
        update.remove_field("account")
    with iceberg.table().update_spec() as update:
        update.remove_field("snapshot_date")
    with iceberg.table().update_spec() as update:
        update.add_identity("snapshot_date")
        update.add_identity("account")
    before = held(iceberg)

    with pytest.raises(AirflowFailException, match="has files that are partitioned otherwise: cho"):
        load(loaded, account="hats")

    assert before == held(iceberg)


@pytest.mark.parametrize("damage", ["missing", "changed", "receipt"])
def test_damaged(lake, iceberg, damage):
    """A day that does not match its receipt is named, and all others are loaded."""
    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
    file = lake.partition(yesterday())
    if damage == "missing":
        file.unlink()
    elif damage == "changed":
        file.write_bytes(lake.partition().read_bytes())
    else:
        lake.receipt_path(yesterday()).write_text("{")

    with pytest.raises(
        BadData, match=f"{yesterday()}.* (is missing|does not match|cannot be read)"
    ):
        load(lake, account="hats")

    assert landed(lake, days_ago(2), today()) == held(iceberg)


def test_wrong_count(loaded, iceberg):
    """A file with fewer rows than its receipt declares changes nothing."""
    before = held(iceberg)
    put_snapshot(loaded.folder, today(), [BJORN], rows=2)

    with pytest.raises(BadData, match=f"1 rows of {today()} were read, but its receipt declares 2"):
        load(loaded, account="hats")

    assert before == held(iceberg)


def test_future_receipt(loaded, iceberg):
    """A receipt of a later version fails the task, which says which version wrote it."""
    put_snapshot(loaded.folder, today(), [ANNE], receipt_version=9)

    with pytest.raises(BadData, match=r"was written by mailpartner-provider .*: upgrade this one"):
        load(loaded, account="hats")


def test_broken_table(loaded, iceberg):
    """A table whose metadata is gone is named with the connection."""
    Path(urlsplit(iceberg.table().metadata_location).path).unlink()

    with pytest.raises(OSError, match=f"connection lakehouse: opening the table {NAME} failed: "):
        load(loaded, account="hats")


def test_broken_connection(loaded, monkeypatch):
    """A connection that does not exist, or cannot be a catalog, says so; one that cannot be reached
    says why."""
    with pytest.raises(AirflowFailException, match="^iceberg_conn_id: the connection nowhere does"):
        load(loaded, iceberg_conn_id="nowhere")
    kinds = {"odd": {"type": "odd"}, "lost": {"type": "rest", "uri": "http://127.0.0.1:1"}}
    for name, extra in kinds.items():
        connection = json.dumps({"conn_type": "iceberg", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection)

    with pytest.raises(AirflowFailException, match="correct the connection odd, or install"):
        load(loaded, iceberg_conn_id="odd")
    with pytest.raises(OSError, match="connection lost: cannot connect: "):
        load(loaded, iceberg_conn_id="lost")


def test_killed_at_each_step(lake, iceberg):
    """Wherever it is killed, the table has each day as it was before or as it is then, and the
    next load makes it equal to the lake, with the copies that were left."""
    from tests.support.stepwise_iceberg import killed

    days = [yesterday(), today()]
    for steps in count():
        put_snapshot(lake.folder, yesterday(), [ANNE, BJORN])
        put_snapshot(lake.folder, today(), [ANNE])
        load(lake, account="hats")
        before = landed(lake)
        assert before == held(iceberg)
        put_snapshot(lake.folder, yesterday(), [CARLA])
        put_snapshot(lake.folder, today(), [BJORN, CARLA, DORA])

        was_killed = killed(str(lake), iceberg.properties, steps)

        for day in days:
            assert of_day(held(iceberg), day) in (of_day(before, day), landed(lake, day))
        load(lake, account="hats")
        assert landed(lake) == held(iceberg)
        assert 4 == len(iceberg.files())
        if not was_killed:
            break
    assert steps > 20


def test_killed_in_the_first_load(lake, iceberg):
    """The first load goes on where it was killed."""
    from tests.support.stepwise_iceberg import killed

    for days in (2, 1, 0):
        put_snapshot(lake.folder, days_ago(days), [ANNE, BJORN])
    for steps in range(0, 30, 3):
        killed(str(lake), iceberg.properties, steps)
        assert set(held(iceberg)) <= set(landed(lake))

    load(lake, account="hats")

    assert landed(lake) == held(iceberg)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("step", ["load", "write", "fill", "commit", "after the commit"])
def test_two_writers(lake, iceberg, step, first):
    """A second load that begins and ends within the first: each day is loaded once."""
    from tests.support.stepwise_iceberg import load_stepwise

    if not first:
        put_snapshot(lake.folder, today(), [ANNE])
        load(lake, account="hats")
    put_snapshot(lake.folder, yesterday(), [DORA])
    put_snapshot(lake.folder, today(), [BJORN, CARLA])
    once = iter([1])

    def before(what):
        if what.startswith(step):
            for _ in once:
                load(lake, account="hats")

    load_stepwise(str(lake), iceberg.properties, before)

    assert [] == list(once)
    assert landed(lake) == held(iceberg)
    digests = [each["mailpartner.sha256"] for each in iceberg.summaries()]
    assert len(set(digests)) == len(digests)
    assert 0 == load(lake, account="hats")["days"]


def test_many_days(lake, iceberg):
    """The table is read once, however many days are loaded."""
    from tests.support.stepwise_iceberg import load_stepwise

    put_snapshot(lake.folder, days_ago(40), [ANNE])
    load(lake, account="hats")
    for ago in range(20):
        put_snapshot(lake.folder, days_ago(ago), [ANNE])
    steps = []

    load_stepwise(str(lake), iceberg.properties, steps.append)

    assert 20 == steps.count("commit")
    assert 21 == steps.count("load")  # this catalog also loads the table in each commit
    assert landed(lake) == held(iceberg)


def test_commits_of_others(loaded, iceberg, tmp_path):
    """A load before each of whose commits another account's list is loaded, twenty times, stops and
    says what to do."""
    from tests.support.stepwise_iceberg import load_stepwise

    before = held(iceberg)
    numbers = count()

    def commit(what):
        if what == "commit":
            put_snapshot(tmp_path / "other", today(), [DORA] * (1 + next(numbers)))
            load(tmp_path / "other", account="shoes")

    with pytest.raises(Conflict, match="20 commits of others to .* came first: run the task again"):
        load_stepwise(str(loaded), iceberg.properties, commit)

    assert before == of_account("hats", held(iceberg))
    load(loaded, account="hats")
    assert landed(loaded) == of_account("hats", held(iceberg))


def test_landed_while_loaded(lake, iceberg):
    """A day that is landed again while it is loaded is loaded as it is then."""
    from tests.support.stepwise_iceberg import load_stepwise

    put_snapshot(lake.folder, today(), [ANNE])
    once = iter([[BJORN, CARLA]])

    def before(what):
        if what.startswith("write"):
            for people in once:
                put_snapshot(lake.folder, today(), people)

    load_stepwise(str(lake), iceberg.properties, before)

    assert landed(lake) == held(iceberg)
    assert 2 == len(held(iceberg))


def test_stopped(loaded, iceberg):
    """A load that is stopped leaves the day as it was."""
    from mailpartner_provider.warehouse.session import Stop
    from tests.support.stepwise_iceberg import load_stepwise

    before, stop = held(iceberg), Stop()

    with pytest.raises(LandingStopped):
        load_stepwise(
            str(loaded), iceberg.properties, lambda what: what == "fill" and stop.stop(), stop
        )

    assert before == held(iceberg)
    load(loaded, account="hats")
    assert landed(loaded) == held(iceberg)


def test_on_kill(loaded, iceberg):
    """A task that Airflow ends does not begin another day."""
    operator = loading(loaded, account="hats")
    operator.on_kill()

    with pytest.raises(LandingStopped):
        operator.execute({})


def test_long_list(lake, iceberg):
    """A list of several row groups."""
    put_table(lake.folder, today(), many(300_000, today()))

    load(lake, account="hats")

    assert landed(lake) == held(iceberg)
