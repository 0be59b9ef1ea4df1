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
    """An Airflow of this line, which runs, with the connections in its database."""
    connections = {
        f"mailpartner_{name}": json.loads(each.connection) for name, each in accounts.items()
    }
    for connection in connections.values():
        connection["extra"] = {"read_timeout": PATIENCE_SECONDS}
    connections["mailpartner_refused"]["password"] += "-of-yesterday"
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "connections.json").write_text(json.dumps(connections))
    with line(folder, AIRFLOW_VAR_MAILPARTNER_LAKE=str(lake_folder)) as made:
        made.command("connections", "import", "connections.json")
        yield made
