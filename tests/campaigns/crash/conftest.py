"""How many steps are walked, and the number of landings that were killed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.walk import CASES, Walk

_figures = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="walk every n-th step only")


@pytest.fixture
def stride(pytestconfig):
    """Of how many steps one is walked."""
    return pytestconfig.getoption("every")


@pytest.fixture
def walks(request, forks, api, temporary):
    """A function that makes walks; their kills are counted."""
    made = []

    def walk(store, case):
        made.append(Walk(api, store, temporary, case))
        return made[-1]

    yield walk
    figures = request.config.stash.setdefault(_figures, Counter())
    for each in made:
        figures.update(kills=each.kills, survived=each.survived)


@pytest.fixture(params=CASES.values(), ids=CASES)
def folder_walk(request, walks, lake):
    """Each case in a local folder."""
    return walks(lake, request.param)


@pytest.fixture(params=CASES.values(), ids=CASES)
def bucket_walk(request, walks, bucket_lake):
    """Each case in a bucket."""
    return walks(bucket_lake, request.param)


def pytest_terminal_summary(terminalreporter, config):
    if counted := config.stash.get(_figures, None):
        terminalreporter.write_line(
            f"crash walk: {counted['kills']} kills, {counted['survived']} survived"
        )
