"""A landing stays fast and small: as ratios within one run, in seconds of the processor."""

from __future__ import annotations

import pytest

from benchmarks.run import OURS, Job, above_idle, measure
from benchmarks.server import list_file

SMALL, MIDDLE, LARGE = 10_000, 200_000, 800_000


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    """What landings cost, and what pandas costs."""
    folder = tmp_path_factory.mktemp("lists")
    lists = {size: list_file(folder, size).name for size in (SMALL, MIDDLE, LARGE)}
    jobs = {(OURS, size): Job(OURS, name) for size, name in lists.items()}
    jobs[("pandas", LARGE)] = Job("pandas", lists[LARGE])
    measured = measure(list(jobs.values()), rounds=1, folder=folder)
    return {key: measured[job] for key, job in jobs.items()}


def test_time(costs):
    """A landing takes less time than pandas takes; how much less, depends on the processor."""
    assert costs[OURS, LARGE]["cpu_seconds"] < costs["pandas", LARGE]["cpu_seconds"]


def test_time_grows_with_the_list(costs):
    """Eighty times the records take less than forty times the time."""
    assert costs[OURS, LARGE]["cpu_seconds"] < 40 * costs[OURS, SMALL]["cpu_seconds"]


def test_memory(costs):
    """Memory does not grow with the list: four times the records, less than twice the memory."""
    assert above_idle(costs[OURS, LARGE]) < 2 * above_idle(costs[OURS, MIDDLE])


def test_memory_beside_pandas(costs):
    """A landing takes less than two thirds of the memory that pandas takes."""
    assert costs[OURS, LARGE]["peak_bytes"] < 2 / 3 * costs["pandas", LARGE]["peak_bytes"]
