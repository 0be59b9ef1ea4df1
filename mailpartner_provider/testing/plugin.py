"""The fixture that pytest finds wherever this package is installed; it loads nothing until used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailpartner_provider.testing.server import StandIn


@pytest.fixture
def mailpartner_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Run a stand-in for the Mail Partner API, to which ``mailpartner_default`` leads."""
    from mailpartner_provider.testing.server import StandIn

    with StandIn() as api:
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)
        yield api
