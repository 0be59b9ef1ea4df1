"""Which stores and how many steps are walked, and the number of landings that were killed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.emulators import missing
from tests.support.stores import KINDS
from tests.support.walk import CASES, Walk

#: How many times fewer steps are walked where a step is slow.
SLOW = 4

_figures = pytest.StashKey[Counter[str]]()
_left_out = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="walk every n-th step only")


@pytest.fixture
def stride(pytestconfig):
    """Of how many steps one is walked."""
    return pytestconfig.getoption("every")


@pytest.fixture
def store_stride(place, stride):
    """Of how many steps in the store a landing is killed at one."""
    return SLOW * stride if place.kind in ("azure", "gcs") else stride


@pytest.fixture
def meeting_stride(place, stride):
    """Of how many steps in the store two writers meet at one."""
    return stride if place.kind == "folder" else SLOW * stride


@pytest.fixture
def count_meetings(request):
    """A function that counts meetings of two writers."""
    figures = request.config.stash.setdefault(_figures, Counter())
    return lambda number: figures.update(meetings=number)


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
def walk(request, walks, place):
    """Each case in each kind of store."""
    return walks(place, request.param)


@pytest.fixture(params=KINDS)
def place(request):
    """A fresh place in each kind of store of which the emulator is installed."""
    kind = request.param
    if name := missing(kind):
        request.config.stash.setdefault(_left_out, {})[kind] = name
        pytest.skip(f"{name} is not installed")
    return request.getfixturevalue(f"{kind}_store")


def pytest_terminal_summary(terminalreporter, config):
    if counted := config.stash.get(_figures, None):
        terminalreporter.write_line(
            f"crash walk: {counted['kills']} kills, {counted['survived']} survived; "
            f"{counted['meetings']} meetings of two writers"
        )
    for kind, name in config.stash.get(_left_out, {}).items():
        terminalreporter.write_line(f"left out: {kind}, because {name} is not installed")
