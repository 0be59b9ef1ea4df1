"""A server on loopback that behaves like the API, and real files."""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mailpartner_provider.errors import WrongArgument
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
    max_examples=25,
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


@pytest.fixture(autouse=True)
def masks():
    """What is masked in logs for one test is not for the next: Airflow 2 masks even one space."""
    yield
    for masker in logging.getLogger("airflow.task").filters:
        masker.patterns, masker.replacer = set(), None


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
    from tests.support.front import Request

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
def folder_store():
    """A fresh local folder, in memory where that is possible: a disk is slow to write through."""
    from tests.support.stores import Store

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mailpartner-tests-", dir=memory) as folder:
        yield Store("folder", folder)


@pytest.fixture
def s3_store(bucket):
    """A fresh folder in a bucket of S3."""
    from tests.support.stores import Store

    return Store("s3", "s3://aws_default@lake", bucket)


@pytest.fixture
def azure_store(azurite, monkeypatch):
    """A fresh folder in a container of Azure."""
    from tests.support.front import Request
    from tests.support.stores import Store

    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(azurite.connection))
    azurite.front.fault = Request.answer
    return Store("azure", "abfs://wasb_default@lake", azurite.front)


@pytest.fixture
def gcs_store(fake_gcs, monkeypatch):
    """A fresh folder in a bucket of Google Cloud Storage."""
    from tests.support.front import Request
    from tests.support.stores import Store

    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(fake_gcs.connection))
    fake_gcs.front.fault = Request.answer
    store = Store("gcs", "gs://google_cloud_default@lake", fake_gcs.front)
    try:
        store.open()
    except WrongArgument as error:
        if "Anonymous credentials cannot be refreshed" not in str(error):
            raise
        pytest.skip("this old gcsfs wants credentials, which the emulator does not have")
    return store


@pytest.fixture(scope="session")
def azurite():
    """An emulator of Azure."""
    from tests.support import emulators

    with emulators.azurite() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def fake_gcs():
    """An emulator of Google's."""
    from tests.support import emulators

    with pytest.MonkeyPatch.context() as environment, emulators.fake_gcs() as emulator:
        # It knows no gRPC, which gcsfs would wait for.
        environment.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        yield emulator


@pytest.fixture
def ready_locks(monkeypatch):
    """Whoever waits for a lock looks at it often."""
    from mailpartner_provider.lake import local

    monkeypatch.setattr(local, "_STEP", 0.001)


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


@pytest.fixture
def metrics():
    """A socket to which metrics are sent."""
    from tests.support.telemetry import listening

    with listening() as metrics:
        yield metrics


@pytest.fixture(scope="session")
def database():
    """A migrated metadata database in Airflow's home, without Airflow's default connections."""
    from airflow.utils.db import initdb

    (HOME / "dags").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS", "False")
        initdb()


@pytest.fixture(scope="session")
def webserver(database):
    """Airflow's own web server, in this process."""
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    return TestClient(create_app(apps="core"))


@pytest.fixture
def log(caplog, capfd):
    """Everything that was logged so far, at every level, wherever this Airflow sends it."""
    caplog.set_level("DEBUG")
    heard = []

    def text() -> str:
        heard.extend(capfd.readouterr())
        return "".join([*heard, caplog.text])

    return text


def pytest_collection_finish() -> None:
    """Search for garbage rarely, and not in what is loaded by now: it takes a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000)
