"""The dbt package: its models equal the lake, and its tests find what is wrong in the tables."""

from __future__ import annotations

import hashlib
import random
from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from mailpartner_provider.days import iso_utc, parse_utc
from mailpartner_provider.privacy.normal_form import normal_form
from mailpartner_provider.warehouse.dialects import DIALECTS
from tests.support.api import connect
from tests.support.changes import ANNE, BJORN, CARLA, comparing
from tests.support.days import days_ago
from tests.support.dbt import PAGE, output_of
from tests.support.docs import block
from tests.support.intervals import intervals, key_of
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.look_up import LETTERS
from tests.support.snapshots import put_snapshot
from tests.support.warehouses import in_order, load

pytestmark = pytest.mark.engine

CURRENT, CHANGES, SNAPSHOTS, RECEIPTS, CHANGES_RECEIPTS = (
    "unsubscribes",
    "unsubscribe_changes",
    "unsubscribe_snapshots",
    "unsubscribe_receipts",
    "unsubscribe_changes_receipts",
)
EARLY, LATE = (datetime(year, 7, 20, 8, tzinfo=timezone.utc) for year in (2015, 2025))
ADDRESSES = [
    "anne@example.com",
    " Anne+News@Example.COM\t",
    "\u00a0BJÖRN@example.com\r\n",
    "Élodie@exämple.fr",
    "ЖАННА@пример.рф",
    "straße@example.com\v",
]


@pytest.fixture(params=["duckdb_file", "postgres"])
def server(request):
    """A database of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def dbt(new_dbt, server):
    """The project, for this database."""
    return new_dbt(output_of(server.connection))


def load_all(lake, feed, account=None):
    """Load every table of an account."""
    for source, dataset, table in (
        (lake, "current", CURRENT),
        (feed, "changes", CHANGES),
        (lake, "snapshots", SNAPSHOTS),
        (lake, "receipts", RECEIPTS),
        (feed, "receipts", CHANGES_RECEIPTS),
    ):
        load(source, dataset, account=account, table=table)


def load_history(folder, account, days):
    """Land the lists of some days and their changes, and load them."""
    lake, feed = Lake(folder / account), Lake(folder / f"{account}_changes")
    for day, records in days.items():
        put_snapshot(lake.folder, day, records)
        comparing(lake, feed, day, max_removed=None).execute({})
    load_all(lake, feed, account)
    return lake, feed


def some_history(draw):
    """Return lists of people who come, go, change, and are listed twice."""
    people = [" Anne@Example.com", "anne@example.com\t", "björn@example.com", "ÉLODIE@x"]
    return {
        days_ago(ago): [
            (
                draw.randint(1, 2),
                draw.choice(people),
                draw.choice([None, EARLY, LATE]),
                draw.choice([None, "{}"]),
            )
            for _ in range(draw.randrange(7))
        ]
        for ago in (6, 5, 4, 2, 1)
    }


def test_models(dbt, server, tmp_path):
    """The models equal what the snapshots and receipts of several accounts show."""
    draw = random.Random(7)
    histories = {f"account{number}": some_history(draw) for number in range(8)}
    lakes = {name: load_history(tmp_path, name, days) for name, days in histories.items()}

    statuses = dbt.run("build", mailpartner_snapshots=SNAPSHOTS)

    assert {"success", "pass"} == set(statuses.values())
    assert 5 + 6 == len(statuses)
    assert in_order(
        row for name, days in histories.items() for row in intervals(name, days)
    ) == in_order(server.query("SELECT * FROM suppression_intervals"))
    assert in_order(
        row[:4]
        for name, days in histories.items()
        for row in intervals(name, {days_ago(1): days[days_ago(1)]})
    ) == in_order(server.query("SELECT * FROM current_suppressions"))
    assert in_order(
        metrics(name, lake.receipt(day), feed.receipt(day))
        for name, (lake, feed) in lakes.items()
        for day in histories[name]
    ) == in_order(server.query("SELECT * FROM daily_metrics"))


def metrics(account, receipt, changes):
    return (
        account,
        date.fromisoformat(receipt["snapshot_date"]),
        receipt["status"],
        parse_utc(receipt["observed_at"]),
        receipt["rows"],
        *(changes[name] for name in ("added", "removed", "changed_records")),
        receipt["duplicate_ids"],
        receipt["rejected"],
    )


def test_email_key(api, lake, dbt, server):
    """The macro makes the hash that a landing makes, and that of every letter's normal form."""
    api.unsubscribes = [{"id": n, "email": email} for n, email in enumerate(ADDRESSES)]
    land(lake, email_mode="sha256")
    landed = [row["email_sha256"] for row in lake.rows()]
    texts = [*ADDRESSES, *LETTERS]
    server.ingest("texts", pa.table({"number": range(len(texts)), "address": texts}))
    dbt.add_model(
        "keys", "select number, {{ mailpartner.email_key('address') }} as email_key from texts"
    )

    assert {"keys": "success"} == dbt.run("run", "--select", "keys")

    expected = [hashlib.sha256(normal_form(text).encode()).hexdigest() for text in LETTERS]
    assert [*enumerate([*landed, *expected])] == sorted(server.query("SELECT * FROM keys"))


def test_contacts(lake, duckdb_file, new_dbt):
    """The documented model has nobody who is on the list, however the address is written."""
    erased = f"sha256:{key_of(CARLA[1])}"
    put_snapshot(lake.folder, days_ago(0), [ANNE, BJORN, (3, f"{erased};dora@x", None, None)])
    load(lake, account="hats")
    listed = ["ANNE@Example.com ", "BJÖRN@example.com", "\tcarla@example.com"]
    duckdb_file.ingest("contacts", pa.table({"email": [*listed, "dora@example.com"]}))
    dbt = new_dbt(output_of(duckdb_file.connection))
    model = block(PAGE, "jinja", "ref('contacts')").replace("{{ ref('contacts') }}", "contacts")
    dbt.add_model("to_mail", model)

    dbt.run("run", "--select", "+to_mail")

    assert [("dora@example.com",)] == duckdb_file.query("SELECT * FROM to_mail")


@pytest.mark.parametrize("email_mode", ["sha256", "hmac", "drop"])
def test_email_modes(api, lake, feed, duckdb_file, new_dbt, monkeypatch, email_mode):
    """A landed hash is the key; where no address was landed, there is none."""
    connect(monkeypatch, api, extra={"email_hmac_key": "made-up"})
    land(lake, email_mode=email_mode)
    comparing(lake, feed).execute({})
    load_all(lake, feed)
    dbt = new_dbt(output_of(duckdb_file.connection))

    statuses = dbt.run("build", mailpartner_email_mode=email_mode)

    assert {"success", "pass"} == set(statuses.values())
    expected = [row.get(f"email_{email_mode}") for row in lake.rows()]
    for model in ("current_suppressions", "suppression_intervals"):
        found = duckdb_file.query(f"SELECT email_key FROM {model} ORDER BY id")
        assert expected == [key for (key,) in found]


def test_broken(duckdb_file, new_dbt, tmp_path):
    """Each test fails for those accounts whose tables are wrong, and for no others."""
    day = days_ago(2)
    of_day = f"snapshot_date = '{day}'"
    breaking = {
        "sound": "SELECT 1",
        "receipt": f"UPDATE {RECEIPTS} SET row_count = 9 WHERE {{}}",
        "old_receipt": f"UPDATE {RECEIPTS} SET row_count = 9 WHERE {{}} AND {of_day}",
        "lost": f"DELETE FROM {CHANGES} WHERE {{}} AND {of_day} AND id = 3",
        "hole": f"DELETE FROM {CHANGES_RECEIPTS} WHERE {{}} AND {of_day};"
        f"DELETE FROM {CHANGES} WHERE {{}} AND {of_day}",
        "begins_late": f"DELETE FROM {CHANGES_RECEIPTS} WHERE {{}} AND snapshot_date < '{day}';"
        f"DELETE FROM {CHANGES} WHERE {{}} AND snapshot_date < '{day}'",
        "stranger": f"UPDATE {CURRENT} SET email = 'zoe@example.com' WHERE {{}} AND id = 1",
        "emptied": f"DELETE FROM {CURRENT} WHERE {{}}",
    }
    days = {days_ago(3): [ANNE, BJORN], day: [ANNE, BJORN, CARLA], days_ago(1): [ANNE, CARLA]}
    for account, statement in breaking.items():
        load_history(tmp_path, account, days)
        duckdb_file.query(statement.replace("{}", f"account = '{account}'"))
    dbt = new_dbt(output_of(duckdb_file.connection))

    statuses = dbt.run("build", "--store-failures", mailpartner_snapshots=SNAPSHOTS)

    expected = {
        "changes_have_no_hole": {"hole", "begins_late"},
        "changes_match_receipts": {"lost"},
        "current_matches_receipt": {"receipt", "emptied"},
        "intervals_match_current": {"lost", "hole", "begins_late", "stranger", "emptied"},
        "snapshots_match_receipts": {"receipt", "old_receipt"},
    }
    assert expected == {
        test: {
            account
            for (account,) in duckdb_file.query(f"SELECT account FROM main_dbt_test__audit.{test}")
        }
        for test, status in statuses.items()
        if status == "fail"
    }
    assert "success" == statuses["current_suppressions"]


def test_freshness(server, dbt, tmp_path):
    """The receipts are as old as those of the account that was observed longest ago, and what was
    landed for a day in the past makes them no younger."""
    now = datetime.now(timezone.utc)
    long_ago = iso_utc(now - timedelta(hours=60))
    stale = Lake(tmp_path / "stale")
    put_snapshot(stale.folder, days_ago(2), [ANNE], observed_at=long_ago)
    put_snapshot(stale.folder, days_ago(3), [ANNE], status="backdated")
    put_snapshot(tmp_path / "fresh", days_ago(0), [ANNE])
    for account in ("stale", "fresh"):
        load(tmp_path / account, "receipts", account=account, table=RECEIPTS)

    found = dbt.freshness()

    assert ("error", parse_utc(long_ago)) == (
        found["status"],
        datetime.fromisoformat(found["max_loaded_at"]),
    )


@pytest.mark.parametrize(
    "output",
    [
        {"type": "snowflake", "account": "made-up", "user": "lake", "password": "x"},
        {"type": "bigquery", "method": "oauth-secrets", "token": "x"},
        {"type": "redshift", "host": "127.0.0.1", "port": 1, "user": "lake", "password": "x"},
    ],
    ids=lambda output: output["type"],
)
def test_compiled(new_dbt, output):
    """What no test can run is at least of its dialect, with the expression of the history view."""
    import sqlglot
    from sqlglot import exp

    dbt = new_dbt({**output, "database": "lake", "schema": "public"})
    offline = ["--no-introspect", "--no-populate-cache"]

    statuses = dbt.run("compile", *offline, mailpartner_snapshots=SNAPSHOTS)

    assert 11 == len(statuses)
    texts = {name: dbt.compiled(name) for name in statuses}
    parsed = [sqlglot.parse_one(text, dialect=output["type"]) for text in texts.values()]
    assert all(isinstance(each, exp.Query) for each in parsed)
    if dialect := DIALECTS.get(output["type"]):
        expected = dialect.email_hash("email").lower()
        assert expected in texts["stg_mailpartner__current"].lower()
