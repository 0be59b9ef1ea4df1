"""A clock that jumps in the middle of a landing, and how long a landing takes."""

from __future__ import annotations

import json
from datetime import datetime
from time import monotonic, sleep

import pytest
import time_machine

from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, listing
from tests.support.days import PARIS
from tests.support.landing import land
from tests.support.waiting import wait_until


class TestClock:
    """Only the instant at which the answer began counts, whatever the clock does then."""

    midnight = datetime(2026, 3, 11, tzinfo=PARIS)
    before, after = datetime(2026, 3, 10, 23, tzinfo=PARIS), datetime(2026, 3, 11, 1, tzinfo=PARIS)

    @pytest.mark.parametrize(
        ("begins", "jumps_to", "day", "status"),
        [
            (before, after, "2026-03-10", "live"),
            (after, before, "2026-03-10", "backdated"),
            (after, before, "2026-03-11", "live"),
        ],
    )
    def test_jumps(self, api, lake, begins, jumps_to, day, status):
        """A clock that jumps over midnight while the answer arrives, in either direction, changes
        neither the day nor the status."""
        with time_machine.travel(begins) as clock:

            def pieces():
                yield b" " * 2**21  # more than is awaited before it is looked at
                wait_until(lambda: list(lake.glob(".mailpartner-landing-*/part.parquet")))
                clock.move_to(jumps_to)
                yield json.dumps(listing(THREE)).encode()

            api.script(Answer(pieces()))
            receipt = land(lake, snapshot_date=day)

        observed_at = datetime.fromisoformat(receipt["observed_at"].replace("Z", "+00:00"))
        assert (day, status) == (receipt["snapshot_date"], receipt["status"])
        assert 0 <= (observed_at - begins).total_seconds() < 3600
        assert 0 < receipt["duration_seconds"] < 3600

    def test_duration(self, api, lake):
        """A landing takes as long as its answer does, and the tries before it do not count."""

        def pieces(seconds, body):
            yield b"{"
            sleep(seconds)
            yield body[1:]

        whole = json.dumps(listing(THREE)).encode()
        api.script(
            Answer(pieces(0.4, whole[:-1]), headers={"Retry-After": "0"}),
            Answer(pieces(0.4, whole)),
        )

        began = monotonic()
        duration = land(lake)["duration_seconds"]

        assert 0.2 <= duration <= monotonic() - began - 0.4

    def test_each_try_has_its_own_instant(self, api, lake):
        """A try that begins after midnight is backdated, though the landing began before."""
        with time_machine.travel(self.before) as clock:

            def pieces():
                yield b'{"success": true,'
                clock.move_to(self.after)

            api.script(Answer(pieces(), headers={"Retry-After": "0"}))
            receipt = land(lake, snapshot_date="2026-03-10")

        assert "backdated" == receipt["status"]
        assert receipt["observed_at"].startswith("2026-03-11T00:00")
