"""A lake with Zoe in it."""

from __future__ import annotations

import io
import sys

import pytest

from mailpartner_provider.__main__ import main
from tests.support.days import yesterday
from tests.support.erasing import NINE, PEOPLE, ZOE
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


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command in this process; return its exit code, output and errors."""

    def run(*arguments, people=PEOPLE):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(people)))
        capfd.readouterr()
        try:
            code = main(["erase", *map(str, arguments)])
        except SystemExit as end:  # argparse's way to refuse
            code = end.code
        return (code, *capfd.readouterr())

    return run
