"""A server on loopback that behaves like the API, and real files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mailpartner_provider.testing.server import StandIn
from tests import HOME
from tests.support.api import THREE, connect
from tests.support.days import PARIS, midnight, tomorrow
from tests.support.lake import BucketLake, Lake

#: The same examples everywhere and always, few of them while somebody waits for them.
settings.register_profile(
    "dev",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],  # which measures the machine
)
settings.register_profile("nightly", settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def within_a_day():
    """Begin no test in the last minutes of a day in Paris: what is today would change under it."""
    left = midnight(tomorrow()) - datetime.now(PARIS)
    if left < timedelta(minutes=3):
        time.sleep(left.total_seconds() + 1)


@pytest.fixture
def api(mailpartner_api):
    """The API with an account of three unsubscribes, and a connection to it."""
    mailpartner_api.unsubscribes = THREE
    return mailpartner_api


@pytest.fixture
def other_api(api, monkeypatch):
    """The API with another list, empty at first; its connection counts as the same account."""
    with StandIn() as other:
        connect(monkeypatch, api, extra={"renamed_from": "other"})
        connect(monkeypatch, other, conn_id="other", extra={"renamed_from": "mailpartner_default"})
        yield other


@pytest.fixture
def public():
    """A folder that every user may enter, and write."""
    folder = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


@pytest.fixture
def lake(tmp_path):
    """A destination that does not exist yet."""
    return Lake(tmp_path / "lake" / "unsubscribes")


@pytest.fixture
def feed(tmp_path):
    """A destination for changes that does not exist yet."""
    return Lake(tmp_path / "lake" / "changes")


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


@pytest.fixture
def bucket_lake(bucket):
    """A destination in the bucket, empty."""
    return BucketLake(bucket)


@pytest.fixture(params=["lake", "bucket_lake"], ids=["folder", "bucket"])
def store(request):
    """A destination of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that is this test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="session")
def forks():
    """A server of processes that begin at once, started before temporary files lie elsewhere."""
    from tests.support.processes import start_forks

    start_forks()


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
