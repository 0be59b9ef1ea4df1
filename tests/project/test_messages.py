"""Every error that a user may see is in the documentation, with what to do about it."""

from __future__ import annotations

import re

from mailpartner_provider.api.envelope import PERMANENT_CODES
from tests.support.docs import PAGES
from tests.support.messages import messages

VAGUE = {"it …"}


def test_described():
    """Each text is on the page, and the page has no other."""
    described = re.findall(r"^\| `(.+?)` \|", PAGES["docs/troubleshooting.md"], re.MULTILINE)

    assert sorted(described) == sorted(messages() - VAGUE | set(PERMANENT_CODES.values()))
