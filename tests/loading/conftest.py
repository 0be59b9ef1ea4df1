"""Databases to load: DuckDB in every run, PostgreSQL and Snowflake with `make test-engines`."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support import icebergs
from tests.support.bucket import KEY, REGION, SECRET, Bucket
from tests.support.dbt import Dbt, make_project
from tests.support.warehouses import CONN_ID, DuckDB, Snowflake


def connect(monkeypatch, warehouse):
    """Set Airflow's connection to a database in the environment."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(warehouse.connection))
    return warehouse


def set_catalog(monkeypatch, properties):
    """Make a catalog, and set Airflow's connection to it in the environment."""
    catalog = icebergs.Iceberg(properties)
    monkeypatch.setenv(f"AIRFLOW_CONN_{icebergs.CONN_ID.upper()}", json.dumps(catalog.connection))
    return catalog


@pytest.fixture
def iceberg(tmp_path, monkeypatch):
    """An Iceberg catalog in a SQLite file, with tables in a folder."""
    database, warehouse = tmp_path / "catalog.db", tmp_path / "warehouse"
    properties = {"uri": f"sqlite:///{database}", "warehouse": f"file://{warehouse}"}
    return set_catalog(monkeypatch, {"type": "sql", **properties})


@pytest.fixture
def glue(monkeypatch):
    """An Iceberg catalog in Glue with tables in S3, both of moto."""
    with Bucket("warehouse") as bucket:
        account = {"access-key-id": KEY, "secret-access-key": SECRET, "region": REGION}
        services = {"endpoint": bucket.url, **account}
        properties = {
            f"{each}.{name}": services[name] for each in ("glue", "s3") for name in services
        }
        catalog = {"type": "glue", "warehouse": "s3://warehouse/tables", **properties}
        yield set_catalog(monkeypatch, catalog)


@pytest.fixture
def duckdb_file(tmp_path, monkeypatch):
    """A DuckDB file that does not exist yet."""
    return connect(monkeypatch, DuckDB(tmp_path / "warehouse.duckdb"))


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server of this session's own."""
    from tests.support.postgres import Postgres

    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server, monkeypatch):
    """An empty PostgreSQL database."""
    for statement in ("DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public"):
        postgres_server.query(statement)
    return connect(monkeypatch, postgres_server)


@pytest.fixture
def snowflake(monkeypatch):
    """Snowflake, as far as fakesnow knows it."""
    import fakesnow

    with fakesnow.patch():
        yield connect(monkeypatch, Snowflake())


ENGINES = ["duckdb_file", pytest.param("postgres", marks=pytest.mark.engine)]


@pytest.fixture(params=[*ENGINES, pytest.param("snowflake", marks=pytest.mark.engine)])
def warehouse(request):
    """A database of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=ENGINES)
def server(request):
    """A database of each kind that is the real one."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def dbt_project(tmp_path_factory):
    """A dbt project that installs the package."""
    return make_project(tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def new_dbt(dbt_project, tmp_path):
    """Return a function that copies the project, for a database."""

    def make(output):
        return Dbt(shutil.copytree(dbt_project, tmp_path / "shop"), output)

    return make
