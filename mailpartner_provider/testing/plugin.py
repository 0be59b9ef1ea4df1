"""The pytest fixture ``mailpartner_api``; the server is imported when a test first uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailpartner_provider.testing.server import StandIn


@pytest.fixture
def mailpartner_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Run a stand-in for the Mail Partner API, and point ``mailpartner_default`` at it."""
    from mailpartner_provider.testing.server import StandIn

    with StandIn() as api:
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)
        yield api
