"""From lake to warehouse: the examples that load, with real engines where there are any."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from tests.support.api import THREE
from tests.support.dags import dag_of
from tests.support.days import days_ago, midnight, today, yesterday
from tests.support.landing import land
from tests.support.loading import HOSTILE, LOADING, names_of
from tests.support.project import EXAMPLES
from tests.support.runs import load, run_by_scheduler
from tests.support.sdk import Asset

NIGHTLY = CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris")

S3 = "s3://aws_default@lake/mailpartner/unsubscribes"

UTC = timezone.utc

PEOPLE = [
    (19, "anne@example.com", datetime(2015, 7, 20, 8, 19, 45, tzinfo=UTC)),
    (20, "björn@example.com", None),
    (9007199254740993, "Carla@Example.com", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
]


class Warehouse(NamedTuple):
    """An example that loads, what it does with a receipt, and a look at what is loaded then."""

    example: str
    lake: str
    load: Callable[[dict[str, Any]], None]
    query: Callable[[str], list[tuple]]

    @property
    def rows(self) -> list[tuple]:
        """All rows, by day and id."""
        return self.query("SELECT * FROM unsubscribes ORDER BY snapshot_date, id")


def rows_of(day: date) -> list[tuple]:
    return [(*person, day, None) for person in PEOPLE]


def load_day(example: str, receipt: dict[str, Any]) -> None:
    names_of(example)["load"].function(receipt)


@pytest.fixture
def duckdb(lake, tmp_path, monkeypatch) -> Warehouse:
    import duckdb

    file = str(tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DUCKDB", file)

    def query(text: str) -> list[tuple]:
        with duckdb.connect(file) as connection:
            return connection.sql(text).fetchall()

    example = "mailpartner_load_duckdb"
    return Warehouse(example, str(lake), partial(load_day, example), query)


@pytest.fixture
def duckdb_of_s3(duckdb, bucket) -> Warehouse:
    return duckdb._replace(lake=S3)


@pytest.fixture(scope="session")
def postgres_server():
    from tests.support.postgres import Postgres

    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server, bucket, monkeypatch) -> Warehouse:
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(postgres_server.connection))
    postgres_server.query("DROP TABLE IF EXISTS unsubscribes, unsubscribes_rejected")
    example = "mailpartner_load_postgres"
    return Warehouse(example, S3, partial(load_day, example), postgres_server.query)


@pytest.fixture
def postgres_of_folder(postgres, lake) -> Warehouse:
    return postgres._replace(lake=str(lake))


@pytest.fixture
def snowflake(lake, monkeypatch) -> Iterator[Warehouse]:
    import fakesnow
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

    place = {"account": "made-up", "database": "lake"}
    connection = {"conn_type": "snowflake", "login": "x", "schema": "public", "extra": place}
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(connection))
    example = "mailpartner_load_snowflake"

    def load_by_operator(receipt: dict[str, Any]) -> None:
        parameters = names_of(example)["parameters"](receipt)
        task = load(EXAMPLES / f"{example}.py").get_task("load")
        task.unmap({"parameters": parameters}).execute({})

    with fakesnow.patch():
        hook = SnowflakeHook("snowflake_default")
        hook.run(f"CREATE STAGE mailpartner_lake URL = 'file://{lake}/'")
        yield Warehouse(example, str(lake), load_by_operator, hook.get_records)


@pytest.fixture(
    params=[
        "duckdb",
        pytest.param("duckdb_of_s3", marks=pytest.mark.engine),
        pytest.param("postgres", marks=pytest.mark.engine),
        pytest.param("postgres_of_folder", marks=pytest.mark.engine),
        pytest.param("snowflake", marks=pytest.mark.engine),
    ]
)
def warehouse(request, api) -> Warehouse:
    return request.getfixturevalue(request.param)


class TestLoad:
    def test_days(self, warehouse):
        """Every loaded day has the rows of its snapshot, instants and all."""
        for day in (yesterday(), today()):
            warehouse.load(land(warehouse.lake, day))

        assert rows_of(yesterday()) + rows_of(today()) == warehouse.rows

    def test_extra_fields(self, api, warehouse):
        """What the typed columns could not hold is loaded, too."""
        api.unsubscribes = [{**THREE[0], "why": "☂"}]

        warehouse.load(land(warehouse.lake))

        assert [(*PEOPLE[0], today(), '{"why":"\\u2602"}')] == warehouse.rows

    def test_again(self, warehouse):
        """Loading a day twice is loading it once."""
        receipt = land(warehouse.lake)
        for _ in range(2):
            warehouse.load(receipt)

        assert rows_of(today()) == warehouse.rows

    def test_landed_anew(self, api, warehouse):
        """A day that landed again is replaced, and other days stay."""
        warehouse.load(land(warehouse.lake, yesterday()))
        warehouse.load(land(warehouse.lake))
        api.unsubscribes = THREE[:2]

        warehouse.load(land(warehouse.lake))

        assert rows_of(yesterday()) + rows_of(today())[:2] == warehouse.rows

    def test_empty(self, api, warehouse):
        """A list that has become empty leaves no row of its day."""
        warehouse.load(land(warehouse.lake))
        api.unsubscribes = []

        warehouse.load(land(warehouse.lake, max_shrink=None))

        assert [] == warehouse.rows

    def test_wrong_count(self, api, warehouse):
        """A day whose rows do not match the count in its receipt stays as it was."""
        warehouse.load(land(warehouse.lake))
        api.unsubscribes = THREE[:2]
        receipt = land(warehouse.lake)

        with pytest.raises(Exception, match="rows .*the receipt says"):
            warehouse.load({**receipt, "rows": 4})

        assert rows_of(today()) == warehouse.rows

    def test_hostile_receipt(self, warehouse):
        """What a receipt says is never taken for SQL."""
        receipt = land(warehouse.lake)
        warehouse.load(receipt)

        for member in ("snapshot_date", "rows"):
            with pytest.raises(Exception):
                warehouse.load({**receipt, member: HOSTILE[member]})

        assert rows_of(today()) == warehouse.rows


@pytest.mark.engine
@pytest.mark.parametrize("again", range(1, 3))
def test_nul(api, postgres_of_folder, caplog, again):
    """PostgreSQL has no text with a NUL in it: the others are loaded, and such a row is counted and
    put aside with all that it has, however often the day is loaded."""
    api.unsubscribes = [
        *THREE,
        {"id": 7, "email": "zoe\x00@example.com", "createdAt": None, "n": 1},
    ]
    receipt = land(postgres_of_folder.lake)

    for _ in range(again):
        postgres_of_folder.load(receipt)

    assert rows_of(today()) == postgres_of_folder.rows
    assert [(7, b"zoe\x00@example.com", None, today(), '{"n":1}')] == postgres_of_folder.query(
        "SELECT * FROM unsubscribes_rejected"
    )
    assert "1 of 4 rows have an e-mail with a NUL" in caplog.text
    assert "zoe" not in caplog.text

    api.unsubscribes = THREE
    postgres_of_folder.load(land(postgres_of_folder.lake))

    assert [] == postgres_of_folder.query("SELECT * FROM unsubscribes_rejected")


@pytest.mark.parametrize(
    ("warehouse", "asset"),
    [
        ("duckdb", "mailpartner-unsubscribes"),
        pytest.param("snowflake", "mailpartner-unsubscribes-s3", marks=pytest.mark.engine),
    ],
)
def test_triggered(request, database, api, warehouse, asset):
    """What lands is loaded by the run that its asset triggers. Of several landings at a time,
    Airflow shows some only to the next run, which loads them all."""
    warehouse = request.getfixturevalue(warehouse)
    loading = load(EXAMPLES / f"{warehouse.example}.py")

    def landing_of(*days: date) -> Any:
        landing = UnsubscribeToParquetOperator.partial(
            task_id="land", destination=warehouse.lake, outlets=[Asset(asset)]
        ).expand(snapshot_date=[str(day) for day in days])
        return dag_of(landing, schedule=NIGHTLY, due=midnight(today()))

    run_by_scheduler(landing_of(yesterday(), today()), loading)
    runs = run_by_scheduler(landing_of(days_ago(2)), loading, count=3)

    assert ["success"] * 3 == [str(run.dag_run.state) for run in runs]
    assert [*rows_of(days_ago(2)), *rows_of(yesterday()), *rows_of(today())] == warehouse.rows


@pytest.mark.parametrize("example", LOADING)
@pytest.mark.parametrize("airflow", ["triggering_dataset_events", "triggering_asset_events"])
def test_receipts(example, airflow):
    """Every day that landed is loaded, a day that landed twice as its newest receipt says; a run by
    hand loads nothing."""

    def landed(day, observed_at, rows):
        receipt = {"snapshot_date": day, "observed_at": observed_at, "rows": rows}
        return SimpleNamespace(extra=receipt)

    events = [
        landed("2026-11-23", "2026-11-23T09:00:00.000000Z", 3),
        landed("2026-11-22", "2026-11-22T06:30:00.000000Z", 1),
        landed("2026-11-23", "2026-11-23T06:30:00.000000Z", 2),
    ]
    receipts = names_of(example)["receipts"].function

    found = receipts(**{airflow: {"mailpartner-unsubscribes": events}})

    assert {("2026-11-22", 1), ("2026-11-23", 3)} == {
        (receipt["snapshot_date"], receipt["rows"]) for receipt in found
    }
    assert [] == receipts(**{airflow: {}})
