"""Changes add up on any walk: days landed, landed again, erased and killed in any order."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mailpartner_provider.errors import BadData, NothingToLand
from mailpartner_provider.lake.local import LocalFolder
from tests.support.days import days_ago
from tests.support.erasing import ZOE, erased
from tests.support.feeds import Stopped, Stopping, land_list, listed, tell, told
from tests.support.lake import Lake

PEOPLE = st.dictionaries(
    st.integers(1, 4), st.sampled_from(["anne@example.com", "björn@example.com", ZOE])
)
KEEP_DAYS = st.sampled_from([None, None, 1, 2])
#: After how many steps a task is killed.
STEPS = st.sampled_from([None, None, None, 0, 1, 2])


class Walk(RuleBasedStateMachine):
    """One day after the other is landed, and anything may happen in between."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.lake = Lake(Path(self._folder.name) / "unsubscribes")
        self.feed = Lake(Path(self._folder.name) / "changes")
        self.day = days_ago(40)

    @initialize(people=PEOPLE)
    def begin(self, people):
        self.land(people, None, None)

    @rule(people=PEOPLE, keep_days=KEEP_DAYS)
    def land_next_day(self, people, keep_days):
        self.day += timedelta(days=1)
        self.land(people, keep_days, None)

    @rule(people=PEOPLE, steps=STEPS)
    def land_next_day_and_tell(self, people, steps):
        self.land_next_day(people, None)
        self.tell(0, steps)

    @rule(people=PEOPLE, keep_days=KEEP_DAYS, steps=STEPS)
    def land(self, people, keep_days, steps):
        self._act(self.lake, steps, lambda folder: land_list(folder, self.day, people, keep_days))

    @rule(ago=st.sampled_from([0, 0, 0, 1, 2]), steps=STEPS)
    def tell(self, ago, steps):
        day = self.day - timedelta(days=ago)
        with suppress(NothingToLand, BadData):
            self._act(self.feed, steps, lambda folder: tell(self.lake, folder, day))
            if steps is None and day == self.day:
                self._check()

    @rule(place=st.sampled_from(["lake", "feed"]), steps=STEPS)
    def erase(self, place, steps):
        self._act(getattr(self, place), steps, erased)

    def teardown(self):
        """In the end, killed tasks are tried again, then all tasks of changes are cleared."""
        erased(self.lake)
        self.land({1: "last@example.com", 2: ZOE}, None, None)
        tell(self.lake, LocalFolder(self.feed.folder), self.day)
        self._check()
        for receipt in self.lake.glob("_receipts/*.json"):
            with suppress(NothingToLand, BadData):
                day = date.fromisoformat(receipt.stem.removeprefix("dt="))
                tell(self.lake, LocalFolder(self.feed.folder), day)
        self._check()
        self._folder.cleanup()

    def _act(self, place, steps, act):
        folder = LocalFolder(place.folder) if steps is None else Stopping(place.folder, steps)
        with suppress(Stopped):
            act(folder)

    def _check(self):
        assert listed(self.lake, self.day) == told(self.feed)


TestWalk = Walk.TestCase
#: A walk takes a second.
TestWalk.settings = settings(
    max_examples=min(settings().max_examples // 2, 150), stateful_step_count=15
)
