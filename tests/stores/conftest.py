"""Destinations of each kind, opened without a landing."""

from __future__ import annotations

import json

import pytest

from mailpartner_provider.errors import WrongArgument


@pytest.fixture(
    params=[
        "folder",
        "s3",
        pytest.param("azure", marks=pytest.mark.store),
        pytest.param("gcs", marks=pytest.mark.store),
    ]
)
def place(request):
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
