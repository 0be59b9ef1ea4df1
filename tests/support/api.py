"""The API as tests see it: a list of three people, answers to a request, a connection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import StandIn

#: Three people of three shapes: an ordinary one, one without a date, one of the repeated hour.
THREE = [
    {"id": 19, "email": "anne@example.com", "createdAt": "2015-07-20 10:19:45"},
    {"id": 20, "email": "björn@example.com", "createdAt": None},
    {"id": 9007199254740993, "email": "Carla@Example.com", "createdAt": "2025-10-26 02:30:00"},
]


def connect(
    monkeypatch: pytest.MonkeyPatch,
    api: StandIn,
    *,
    conn_id: str = "mailpartner_default",
    **fields: Any,
) -> None:
    """Set an Airflow connection to the API in the environment."""
    connection = {**json.loads(api.connection), **fields}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def listing(data: Any, /, **members: Any) -> dict[str, Any]:
    """Return a good answer with these records; members replace or add to it."""
    return {"success": True, "code": 200, "nbData": len(data), "data": data, **members}


def at_once(body: Any = b"", status: int = 200, **headers: str) -> Answer:
    """Return an answer after which the next try comes without a wait."""
    return Answer(body, status, {"Retry-After": "0", **headers})


def cut_off(body: bytes) -> Answer:
    """Return an answer whose connection closes before all of the declared body is there."""
    headers = {"Retry-After": "0", "Content-Length": str(len(body) + 1000)}
    return Answer(body, headers=headers, ending="cut")
