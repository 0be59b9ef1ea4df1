"""Changes add up on any walk: days landed, landed again, erased and killed in any order."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from mailpartner_provider.errors import BadData, NothingToLand
from mailpartner_provider.lake.local import LocalFolder
from tests.support.days import today
from tests.support.erasing import ZOE, erased
from tests.support.feeds import Stopped, Stopping, land_list, listed, tell, told
from tests.support.lake import Lake

DAYS = st.integers(0, 4).map(lambda number: today() - timedelta(days=5 - number))
PEOPLE = st.dictionaries(
    st.integers(1, 3), st.sampled_from(["anne@example.com", "björn@example.com", ZOE])
)
STEPS = st.none() | st.integers(0, 2)


class Walk(RuleBasedStateMachine):
    """Snapshots and a feed, in which anything happens on any of five days."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.lake = Lake(Path(self._folder.name) / "unsubscribes")
        self.feed = Lake(Path(self._folder.name) / "changes")
        self.killed: dict[date, dict[int, str]] = {}

    @rule(day=DAYS, people=PEOPLE, keep_days=st.sampled_from([None, None, 1, 2]), steps=STEPS)
    def land(self, day, people, keep_days, steps):
        self.killed[day] = people
        self._act(self.lake, steps, lambda folder: land_list(folder, day, people, keep_days))
        if steps is None:
            del self.killed[day]

    @rule(day=DAYS, steps=STEPS)
    def tell(self, day, steps):
        try:
            self._act(self.feed, steps, lambda folder: tell(self.lake, folder, day))
        except (NothingToLand, BadData):
            return
        newest = max(self.feed.glob("dt=*/*.parquet"), default=None)
        if steps is None and newest == self.feed.partition(day):
            self._check(day)

    @rule(place=st.sampled_from(["lake", "feed"]), steps=STEPS)
    def erase(self, place, steps):
        self._act(getattr(self, place), steps, erased)

    def teardown(self):
        """In the end, the changes of the newest day are landed, then all tasks are cleared."""
        erased(self.lake)
        for day, people in sorted(self.killed.items()):
            land_list(LocalFolder(self.lake.folder), day, people)
        days = [today() - timedelta(days=number) for number in range(1, 6)]
        landed = [day for day in days if self.lake.receipt_path(day).exists()]
        if landed:
            tell(self.lake, LocalFolder(self.feed.folder), landed[0])
            self._check(landed[0])
            for day in landed[1:]:
                self.tell(day, None)
            self._check(landed[0])
        self._folder.cleanup()

    def _act(self, place, steps, act):
        folder = LocalFolder(place.folder) if steps is None else Stopping(place.folder, steps)
        with suppress(Stopped):
            act(folder)

    def _check(self, day):
        assert listed(self.lake, day) == told(self.feed)


TestWalk = Walk.TestCase
TestWalk.settings = settings(stateful_step_count=12)
