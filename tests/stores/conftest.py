"""Each kind of store, as the package knows it."""

from __future__ import annotations

import pytest

from mailpartner_provider.lake.storage import LocalFolder, ObjectStore


@pytest.fixture(params=[LocalFolder, ObjectStore], ids=["local", "store"])
def kind(request):
    """Each kind of destination."""
    return request.param
