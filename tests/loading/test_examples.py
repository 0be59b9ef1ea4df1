"""From landing to warehouse: the examples that load, in real runs, by hand and by assets."""

from __future__ import annotations

import json
import shutil
from datetime import date
from typing import Any

import pytest
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.operators.unsubscribe_to_sql import UnsubscribeToSqlOperator
from tests.support.api import THREE
from tests.support.changes import ANNE, BJORN, CARLA, DORA, comparing
from tests.support.dags import Step, dag_of
from tests.support.days import days_ago, midnight, noon, today, yesterday
from tests.support.dbt import PAGE, PROGRAM
from tests.support.docs import block
from tests.support.intervals import key_of
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.project import EXAMPLES
from tests.support.runs import load, run_by_hand, run_by_scheduler
from tests.support.sdk import Asset
from tests.support.snapshots import put_snapshot
from tests.support.warehouses import CONN_ID, in_order, loading, rows_of

pytestmark = pytest.mark.usefixtures("database")

NIGHTLY = CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris")
LOCAL, S3 = "mailpartner-unsubscribes", "mailpartner-unsubscribes-s3"


@pytest.fixture
def folder_lake(tmp_path, monkeypatch):
    """The folder below which all examples without a bucket land."""
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(tmp_path))
    return tmp_path


def landing(destination: Any, asset: str) -> Any:
    """Return a DAG that lands today's list, and triggers whatever waits for an asset."""
    operator = UnsubscribeToParquetOperator(
        task_id="land",
        destination=str(destination),
        snapshot_date=str(today()),
        outlets=[Asset(asset)],
    )
    return dag_of(operator, schedule=NIGHTLY, due=midnight(today()))


def emails(server, table="unsubscribes"):
    return sorted(email for (email,) in server.query(f"SELECT email FROM {table}"))


class TestExamples:
    def connect(self, monkeypatch, server, conn_id):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(server.connection))

    def test_duckdb(self, api, folder_lake, duckdb_file, monkeypatch):
        """What lands in a folder is loaded by the run that its asset triggers."""
        self.connect(monkeypatch, duckdb_file, "DUCKDB_DEFAULT")
        example = load(EXAMPLES / "mailpartner_load_duckdb.py")

        _, run = run_by_scheduler(landing(folder_lake / "daily" / "unsubscribes", LOCAL), example)

        assert {"load": "success"} == run.states
        assert sorted(row["email"] for row in THREE) == emails(duckdb_file)

    @pytest.mark.engine
    @pytest.mark.parametrize("kind", ["postgres", "snowflake"])
    def test_s3(self, request, api, bucket, monkeypatch, kind):
        """What lands in a bucket is loaded by the run that its asset triggers."""
        server = request.getfixturevalue(kind)
        self.connect(monkeypatch, server, f"{kind}_default".upper())
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_BUCKET", "lake")
        example = load(EXAMPLES / f"mailpartner_load_{kind}.py")
        lake = "s3://aws_default@lake/mailpartner/unsubscribes"

        _, run = run_by_scheduler(landing(lake, S3), example)

        assert {"load": "success"} == run.states
        assert sorted(row["email"] for row in THREE) == emails(server)

    @pytest.mark.engine
    def test_dbt(self, api, folder_lake, duckdb_file, dbt_project, tmp_path, monkeypatch):
        """What lands in a folder is loaded, and dbt, set up as documented, builds its models."""
        self.connect(monkeypatch, duckdb_file, "DUCKDB_DEFAULT")
        project = shutil.copytree(dbt_project, tmp_path / "project")
        profiles = block(PAGE, "yaml", "outputs:")
        profiles = profiles.replace("/var/lib/lake/unsubscribes.duckdb", str(duckdb_file.file))
        (project / "profiles.yml").write_text(profiles)
        (project / ".venv").symlink_to(PROGRAM.parents[1])
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DBT", str(project))
        land(folder_lake / "unsubscribes")
        comparing(folder_lake / "unsubscribes", folder_lake / "unsubscribe_changes").execute({})
        example = load(EXAMPLES / "mailpartner_dbt.py")

        _, run = run_by_scheduler(event("mailpartner-unsubscribe-changes"), example)

        assert {"success"} == set(run.states.values())
        assert sorted((key_of(row["email"]),) for row in THREE) == sorted(
            duckdb_file.query("SELECT email_key FROM current_suppressions")
        )


def test_by_hand(api, lake, duckdb_file):
    """A run by hand loads what landed before there was a DAG that loads."""
    land(lake)

    run = run_by_hand(dag_of(loading(lake), schedule=[Asset(LOCAL)]), noon())

    assert {"load": "success"} == run.states
    assert sorted(row["email"] for row in THREE) == emails(duckdb_file)


def test_event_by_hand(lake, duckdb_file):
    """An event without a receipt wakes the load up as any other does."""
    put_snapshot(lake.folder, today(), [ANNE])

    _, run = run_by_scheduler(event("by hand"), dag_of(loading(lake), schedule=[Asset("by hand")]))

    assert {"load": "success"} == run.states
    assert ["anne@example.com"] == emails(duckdb_file)


def event(asset: str) -> Any:
    """Return a DAG whose task makes an event that carries nothing."""
    step = Step(task_id="event", outlets=[Asset(asset)])
    return dag_of(step, schedule=NIGHTLY, due=midnight(today()))


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("duckdb_file", 20),
        pytest.param("duckdb_file", 400, marks=pytest.mark.engine),
        pytest.param("postgres", 400, marks=pytest.mark.engine),
    ],
)
def test_three_accounts(request, tmp_path, kind, days):
    """All days of three accounts are loaded by one run by hand; then a day, a day that was landed
    again and the days that were removed, by runs that an asset triggers: the table always has the
    rows of the lakes, and no others."""
    server = request.getfixturevalue(kind)
    lakes = {name: Lake(tmp_path / name) for name in ("shoes", "hats", "gloves")}
    people = [ANNE, BJORN, CARLA, DORA]
    for number, lake in enumerate(lakes.values()):
        for day in map(days_ago, range(1, days + 1)):
            put_snapshot(lake.folder, day, people[(day.toordinal() + number) % 4 :])

    def loading_all(**trigger: Any) -> Any:
        sources = [{"source": str(lake), "account": name} for name, lake in lakes.items()]
        task = UnsubscribeToSqlOperator.partial(
            task_id="load",
            conn_id=CONN_ID,
            dataset="snapshots",
            removed_days="delete",
            max_active_tis_per_dag=1,
        ).expand_kwargs(sources)
        return dag_of(task, **trigger)

    def expected() -> list[tuple]:
        return in_order(row for name, lake in lakes.items() for row in rows_of(lake.folder, name))

    run_by_hand(loading_all(), noon())
    assert expected() == in_order(server.query("SELECT * FROM unsubscribes"))

    put_snapshot(lakes["hats"].folder, today(), people)
    run_by_scheduler(event("lists"), loading_all(schedule=[Asset("lists")]))
    assert expected() == in_order(server.query("SELECT * FROM unsubscribes"))

    put_snapshot(lakes["shoes"].folder, yesterday(), people[:2])
    put_snapshot(lakes["gloves"].folder, days_ago(days), [])
    remove(lakes["hats"], days_ago(days))
    run_by_scheduler(event("lists"), loading_all(schedule=[Asset("lists")]))
    assert expected() == in_order(server.query("SELECT * FROM unsubscribes"))


def remove(lake: Lake, day: date) -> None:
    """Remove a day from a lake, as keep_days does."""
    lake.receipt_path(day).unlink()
    lake.partition(day).unlink()
