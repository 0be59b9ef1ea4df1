"""Blocks of raw records, decoded both ways."""

from __future__ import annotations

import json

from tests.support.days import PARIS
from tests.support.oracle import assert_ways_agree

USUAL = '{"id":19,"email":"anne@example.com","createdAt":"2015-07-20 10:19:45"}'


def both(text: str | bytes, zone=PARIS):
    """Decode both ways; where the fast way answers, they agree."""
    return assert_ways_agree(text if isinstance(text, bytes) else text.encode(), zone)


def created(text: str) -> str:
    """Write a record that was created at this time."""
    return json.dumps({"id": 19, "email": "anne@example.com", "createdAt": text})
