"""Each kind of destination, and the number of landings that were killed there."""

from __future__ import annotations

import tempfile
from collections import Counter

import pytest

from tests.campaigns.crash import processes
from tests.support.places import BucketFolder, Folder

_figures = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def forks():
    """Processes that begin at once."""
    processes.start_forks()


@pytest.fixture
def temporary(forks, tmp_path, monkeypatch):
    """A folder for temporary files that is this test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(lake, temporary):
    """A local folder that does not exist yet."""
    return Folder(lake)


@pytest.fixture
def bucket_folder(bucket, temporary):
    """An empty folder of a bucket."""
    return BucketFolder(bucket)


@pytest.fixture(params=["folder", "bucket_folder"])
def place(request):
    """A destination of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def figures(pytestconfig):
    """What is counted; it is shown when all tests are over."""
    return pytestconfig.stash.setdefault(_figures, Counter())


def pytest_terminal_summary(terminalreporter, config):
    if counted := config.stash.get(_figures, None):
        terminalreporter.write_line(
            f"crash walk: {counted['kills']} kills, {counted['survived']} survived"
        )
