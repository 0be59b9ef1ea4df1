"""Destinations of earlier versions, each of which had landed three days, live."""

from __future__ import annotations

import pytest

from tests.support.upgrade import NEXT, at, unpack


@pytest.fixture(autouse=True)
def clock():
    """It is noon of the day after the last landing."""
    with at(NEXT):
        yield


@pytest.fixture
def root(version, tmp_path):
    """All destinations of a version."""
    unpack(version, tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def place(root, folder):
    """One destination of a version."""
    return root / folder
