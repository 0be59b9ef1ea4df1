"""A lake with Zoe in it."""

from __future__ import annotations

import pytest

from tests.support.days import yesterday
from tests.support.erasing import NINE, ZOE
from tests.support.landing import land


@pytest.fixture
def two_days(api, lake):
    """Two snapshots with Zoe in both, and her quarantined record in the second."""
    api.unsubscribes = NINE
    land(lake, yesterday())
    api.unsubscribes = [
        {**NINE[0], "friend": f"of <{ZOE}>"},
        {**NINE[1], "friend": "of no one"},
        *NINE[2:],
        {"id": None, "email": ZOE, "name": "Z"},
        {"id": None, "email": "joe@example.com"},
    ]
    land(lake, max_rejected=2)
    return lake
