"""Destinations of each kind, opened without a landing."""

from __future__ import annotations

import pytest

from tests.support import stores


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """A fresh place in each kind of store."""
    if request.param == "folder":
        return stores.folder(tmp_path)
    return stores.s3(request.getfixturevalue("bucket"))
