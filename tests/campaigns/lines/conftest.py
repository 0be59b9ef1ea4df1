"""The accounts of the DAGs, and an Airflow that knows them."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from mailpartner_provider.testing.server import StandIn
from tests.campaigns.lines.line import line
from tests.support.api import THREE
from tests.support.servers import PATIENCE_SECONDS

ACCOUNTS = ("landed", "stopped", "failing", "refused", "shoes", "hats", "gloves")


@pytest.fixture(scope="session")
def accounts():
    """The accounts at the API, by name; the key of the refused one is another."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(StandIn(THREE)) for name in ACCOUNTS}


@pytest.fixture(scope="session")
def lake_folder(tmp_path_factory):
    """The folder of all destinations."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def airflow(accounts, lake_folder, tmp_path_factory):
    """An Airflow of this line, which runs."""
    settings = {"AIRFLOW_VAR_MAILPARTNER_LAKE": str(lake_folder)}
    for name, api in accounts.items():
        connection = {
            **json.loads(api.connection),
            "extra": {"read_timeout": PATIENCE_SECONDS},
        }
        if name == "refused":
            connection["password"] += "-of-yesterday"
        settings[f"AIRFLOW_CONN_MAILPARTNER_{name.upper()}"] = json.dumps(connection)
    with line(tmp_path_factory.mktemp("airflow"), **settings) as made:
        yield made
