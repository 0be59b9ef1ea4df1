"""Destinations of each kind, opened without a landing, and a file to publish there."""

from __future__ import annotations

import pytest


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
def file(tmp_path):
    """A finished scratch file."""
    path = tmp_path / "file"
    path.write_bytes(b"ours")
    return path
