"""A server on loopback that behaves like the API, and real files."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.operators.unsubscribe_to_parquet import (
    UnsubscribeToParquetOperator,
)
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import StandIn
from tests import HOME

PARIS = ZoneInfo("Europe/Paris")
TODAY = datetime.now(PARIS).date()
YESTERDAY = TODAY - timedelta(days=1)

#: Three people of three shapes: an ordinary one, one without a date, one of the repeated hour.
THREE = [
    {"id": 19, "email": "anne@example.com", "createdAt": "2015-07-20 10:19:45"},
    {"id": 20, "email": "björn@example.com", "createdAt": None},
    {"id": 9007199254740993, "email": "Carla@Example.com", "createdAt": "2025-10-26 02:30:00"},
]


@pytest.fixture
def api(mailpartner_api):
    """The API with an account of three unsubscribes, and a connection to it."""
    mailpartner_api.unsubscribes = THREE
    return mailpartner_api


@pytest.fixture
def lake(tmp_path):
    """A destination that does not exist yet."""
    return tmp_path / "lake" / "unsubscribes"


@pytest.fixture(scope="session")
def lake_bucket():
    """A bucket named lake; Airflow keeps to the first endpoint that it was given."""
    from tests.support.bucket import Bucket

    with Bucket("lake") as bucket:
        yield bucket


@pytest.fixture
def bucket(lake_bucket, monkeypatch):
    """The bucket named lake, empty, and Airflow's connection to it."""
    from tests.support.bucket import Request

    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(lake_bucket.connection))
    lake_bucket.fault = Request.answer
    lake_bucket.clear()
    lake_bucket.asked.clear()
    return lake_bucket


@pytest.fixture(
    params=[
        "folder",
        "s3",
        pytest.param("azure", marks=pytest.mark.store),
        pytest.param("gcs", marks=pytest.mark.store),
    ]
)
def store(request):
    """A fresh place in each kind of store."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def folder_store(tmp_path):
    """A fresh local folder."""
    from tests.support.stores import Store

    return Store("folder", str(tmp_path / "lake" / "unsubscribes"))


@pytest.fixture
def s3_store(bucket):
    """A fresh folder in a bucket of S3."""
    from tests.support.stores import Store

    return Store("s3", "s3://aws_default@lake")


@pytest.fixture
def azure_store(azurite, monkeypatch):
    """A fresh folder in a container of Azure."""
    from tests.support.stores import Store

    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(azurite))
    return Store("azure", "abfs://wasb_default@lake")


@pytest.fixture
def gcs_store(fake_gcs, monkeypatch):
    """A fresh folder in a bucket of Google Cloud Storage."""
    from tests.support.stores import Store

    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(fake_gcs))
    store = Store("gcs", "gs://google_cloud_default@lake")
    try:
        store.open()
    except WrongArgument as error:
        if "Anonymous credentials cannot be refreshed" not in str(error):
            raise
        pytest.skip("this old gcsfs wants credentials, which the emulator does not have")
    return store


@pytest.fixture(scope="session")
def azurite():
    """An emulator of Azure with a container named lake, and Airflow's connection to it."""
    from tests.support import emulators

    with emulators.azurite() as connection:
        yield connection


@pytest.fixture(scope="session")
def fake_gcs():
    """An emulator of Google's with a bucket named lake, and Airflow's connection to it."""
    from tests.support import emulators

    with pytest.MonkeyPatch.context() as environment, emulators.fake_gcs() as connection:
        # It knows no gRPC, which gcsfs would wait for.
        environment.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        yield connection


@pytest.fixture(scope="session")
def database():
    """A migrated metadata database in Airflow's home, without Airflow's default connections."""
    from airflow.utils.db import initdb

    (HOME / "dags").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS", "False")
        initdb()


@pytest.fixture
def log(caplog, capfd):
    """Everything that was logged so far, at every level, wherever this Airflow sends it."""
    caplog.set_level("DEBUG")
    heard = []

    def text() -> str:
        heard.extend(capfd.readouterr())
        return "".join([*heard, caplog.text])

    return text


def connect(monkeypatch, api: StandIn, *, conn_id: str = "mailpartner_default", **fields: Any):
    """Give Airflow a connection to the API, by environment."""
    connection = {**json.loads(api.connection), **fields}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def operator(destination: Any, **arguments: Any) -> UnsubscribeToParquetOperator:
    """Make the operator for today, unless told otherwise."""
    arguments.setdefault("snapshot_date", TODAY.isoformat())
    return UnsubscribeToParquetOperator(task_id="land", destination=str(destination), **arguments)


def land(destination: Any, **arguments: Any) -> dict[str, Any]:
    """Land the list as a task does; give the receipt."""
    return operator(destination, **arguments).execute({})


def rows(destination: Path, day=None) -> list[dict[str, Any]]:
    """Read a partition back."""
    day = day or TODAY
    return pq.ParquetFile(destination / f"dt={day}" / "part-00000.parquet").read().to_pylist()


def files(folder: Path) -> dict[str, bytes]:
    """Read everything below a folder, hidden files too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def listing(data: Any, /, **members: Any) -> dict[str, Any]:
    """Put records into a good envelope; members replace or add to it."""
    return {"success": True, "code": 200, "nbData": len(data), "data": data, **members}


def at_once(body: Any = b"", status: int = 200, **headers: str) -> Answer:
    """Make an answer after which the next try comes without a wait."""
    return Answer(body, status, {"Retry-After": "0", **headers})


def cut_off(body: bytes) -> Answer:
    """Make an answer whose connection closes before all of the declared body is there."""
    headers = {"Retry-After": "0", "Content-Length": str(len(body) + 1000)}
    return Answer(body, headers=headers, ending="cut")
