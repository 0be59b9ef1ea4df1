"""No more calls in any sliding minute than agreed, by the clock of the server."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.pushes.pace import Pace


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def make(per_minute: int, clock: Clock) -> Pace:
    return Pace(per_minute, clock, clock.sleep)


def call(pace: Pace, clock: Clock, before: float, after: float) -> float:
    """Make a call; return when it reached the server."""
    pace.wait(lambda: None)
    clock.now += before
    arrived = clock.now
    clock.now += after
    pace.end()
    return arrived


def most_in_a_minute(arrived: list[float]) -> int:
    """Return the most calls in any half-open minute."""
    ends = [bisect_left(arrived, at + 60 - 1e-6) for at in arrived]
    return max(end - start for start, end in enumerate(ends))


SECONDS = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 90))


@given(st.integers(1, 50), st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=150))
def test_any_minute(per_minute, latencies):
    """The limit holds for any time that a request and its answer are on their way."""
    clock = Clock()
    pace = make(per_minute, clock)

    arrived = [call(pace, clock, *each) for each in latencies]

    assert most_in_a_minute(arrived) <= per_minute


@given(st.integers(1, 50), st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_restarted(per_minute, tries):
    """The limit holds for tries that follow each other at once, and do not know of each other."""
    clock = Clock()
    arrived = []
    for calls in tries:
        pace = make(per_minute, clock)
        arrived += [call(pace, clock, 0, 0) for _ in range(calls)]

    assert most_in_a_minute(arrived) <= per_minute


@pytest.mark.parametrize("latency", [0, 0.03, 0.059])
def test_full_speed(latency):
    """Calls that take less than their share of the minute are made as fast as agreed."""
    clock = Clock()
    pace = make(1000, clock)
    began = clock.now

    for _ in range(3000):
        call(pace, clock, latency / 2, latency / 2)

    assert 180 <= clock.now - began < 182


def test_even():
    """Calls are spread evenly, not made in bursts."""
    clock = Clock()
    pace = make(60, clock)

    arrived = [call(pace, clock, 0, 0) for _ in range(10)]

    assert [pytest.approx(1002 + n) for n in range(10)] == arrived


def test_stopped():
    """A stop is heard while waiting, within a moment."""
    clock = Clock()
    pace = make(1, clock)

    def stop():
        if clock.now > 1001:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pace.wait(stop)

    assert clock.now < 1002
