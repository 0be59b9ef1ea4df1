"""Changes add up: applied in order to nothing, they give the last snapshot."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.errors import BadData, Conflict
from mailpartner_provider.lake.local import LocalFolder
from tests.support.changes import ANNE, BJORN, CARLA, DORA, comparing
from tests.support.days import days_ago, today, yesterday
from tests.support.erasing import ZOE, erased
from tests.support.feeds import land_list, listed, tell, told
from tests.support.killed import kill
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.snapshots import put_snapshot

RECORDS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["a@x", "b@x", "c@x"]), st.none(), st.none()),
    max_size=5,
)
#: A day: the snapshot, whether it is live, and whether its changes are landed at once.
DAYS = st.lists(st.tuples(RECORDS, st.booleans(), st.booleans()), min_size=1, max_size=6)


def land_both(lake, feed, day, records, **members):
    """Land a snapshot, then its changes."""
    put_snapshot(lake, day, records, **members)
    comparing(lake, feed, day).execute({})


@given(days=DAYS)
def test_always(tmp_path_factory, days):
    """Whatever days are missed, late or backdated."""
    folder = tmp_path_factory.mktemp("lake")
    lake, feed = Lake(folder / "unsubscribes"), Lake(folder / "changes")
    first, last = today() - timedelta(days=len(days)), None
    for number, (records, is_live, is_landed) in enumerate(days):
        day = first + timedelta(days=number)
        put_snapshot(lake, day, records, status="live" if is_live else "backdated")
        if is_live and is_landed:
            comparing(lake, feed, day, max_removed=None).execute({})
            last = day
    for number in range(len(days)):  # every day once more, as after clearing all tasks
        day = first + timedelta(days=number)
        try:
            comparing(lake, feed, day, max_removed=None).execute({})
            last = max(day, last or day)
        except AirflowSkipException:
            pass

    assert (listed(lake, last) if last else []) == told(feed)


def test_hole(lake, feed):
    """A day whose changes failed is included in the next day's."""
    for days, records in ((3, [ANNE]), (2, [ANNE, BJORN]), (1, [BJORN, CARLA])):
        put_snapshot(lake, days_ago(days), records)
    comparing(lake, feed, days_ago(3)).execute({})

    receipt = comparing(lake, feed, days_ago(1), max_removed=None).execute({})

    assert str(days_ago(3)) == receipt["previous_snapshot_date"]
    with pytest.raises(AirflowSkipException, match=f"of {days_ago(1)} already include those of"):
        comparing(lake, feed, days_ago(2)).execute({})
    assert listed(lake, days_ago(1)) == told(feed)


class TestLandedAgain:
    """A day's snapshot was landed again with another list, and its changes were not."""

    def test_next_day(self, lake, feed, log):
        """The next day's changes lead from the list that was told."""
        land_both(lake, feed, days_ago(2), [ANNE, BJORN])
        put_snapshot(lake, days_ago(2), [BJORN, CARLA])
        put_snapshot(lake, yesterday(), [CARLA, DORA])

        receipt = comparing(lake, feed, yesterday(), max_removed=None).execute({})

        assert listed(lake, yesterday()) == told(feed)
        assert (str(days_ago(2)), None, None) == (
            receipt["previous_snapshot_date"],
            receipt["previous_uri"],
            receipt["previous_sha256"],
        )
        assert f"Applying the changes of 1 days, because the snapshot of {days_ago(2)}" in log()

    def test_later_days(self, lake, feed):
        """The day after is compared with a snapshot again."""
        land_both(lake, feed, days_ago(2), [ANNE, BJORN])
        put_snapshot(lake, days_ago(2), [CARLA])
        put_snapshot(lake, yesterday(), [DORA])
        comparing(lake, feed, yesterday(), max_removed=None).execute({})
        put_snapshot(lake, today(), [ANNE])

        receipt = comparing(lake, feed, max_removed=None).execute({})

        assert listed(lake, today()) == told(feed)
        assert lake.receipt(yesterday())["sha256"] == receipt["previous_sha256"]

    def test_same_list(self, lake, feed):
        """The same list, landed again, is still the one that was told."""
        land_both(lake, feed, yesterday(), [ANNE])
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [ANNE])

        receipt = comparing(lake, feed).execute({})

        assert lake.receipt(yesterday())["sha256"] == receipt["previous_sha256"]

    def test_cleared(self, lake, feed, log):
        """Once later days were told, the changes of a day stay, because those build on them."""
        for days, records in ((2, [ANNE]), (1, [ANNE, BJORN])):
            land_both(lake, feed, days_ago(days), records)
        put_snapshot(lake, days_ago(2), [CARLA])
        before = feed.files()

        receipt = comparing(lake, feed, days_ago(2)).execute({})

        assert before == feed.files()
        assert {**feed.receipt(days_ago(2)), "changed": False} == receipt
        assert f"Kept the changes of {days_ago(2)}" in log()
        assert listed(lake, yesterday()) == told(feed)

    def test_guard(self, lake, feed):
        """max_removed is a share of the list that was told."""
        land_both(lake, feed, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, yesterday(), [CARLA])
        put_snapshot(lake, today(), [CARLA])

        with pytest.raises(BadData, match="2 of 2 records were removed"):
            comparing(lake, feed).execute({})

        comparing(lake, feed, max_removed=1).execute({})
        assert listed(lake, today()) == told(feed)


class TestGone:
    """The snapshot that the feed ends with is no longer there."""

    @pytest.mark.parametrize("keep_days", [1, 2])
    def test_hourly(self, lake, feed, keep_days):
        """Snapshots landed again and again, of which few are kept, and daily changes add up."""
        for number, day in enumerate((days_ago(3), days_ago(2), yesterday(), today())):
            folder = LocalFolder(lake.folder)
            land_list(folder, day, {1: ZOE, 2 + number: "a@x"}, keep_days)
            comparing(lake, feed, day, max_removed=None).execute({})
            assert listed(lake, day) == told(feed)
            land_list(folder, day, {1: "z@x", 3 + number: "a@x"}, keep_days)

    @pytest.mark.parametrize("receipt", [None, b"", b'{"rows": 1'])
    def test_receipt(self, lake, feed, receipt):
        """Without its receipt, a snapshot is not compared, and the changes add up."""
        land_both(lake, feed, days_ago(3), [ANNE])
        lake.receipt_path(days_ago(3)).unlink()
        if receipt is not None:
            lake.receipt_path(days_ago(3)).write_bytes(receipt)
        put_snapshot(lake, today(), [BJORN])

        comparing(lake, feed, max_removed=None).execute({})

        assert listed(lake, today()) == told(feed)

    def test_feed_without_its_beginning(self, lake, feed):
        """A feed of which old days were deleted goes on, as long as the snapshot is there."""
        for days, records in ((3, [ANNE]), (2, [ANNE, BJORN])):
            land_both(lake, feed, days_ago(days), records)
        feed.partition(days_ago(3)).unlink()
        feed.receipt_path(days_ago(3)).unlink()
        put_snapshot(lake, yesterday(), [ANNE, BJORN, CARLA])

        assert 1 == comparing(lake, feed, yesterday()).execute({})["rows"]

        put_snapshot(lake, yesterday(), [DORA])
        put_snapshot(lake, today(), [DORA])
        before = feed.files()
        with pytest.raises(BadData, match="does not begin with a whole list.* new folder"):
            comparing(lake, feed).execute({})
        assert before == feed.files()

    def test_damaged_changes(self, lake, feed):
        """Changes that cannot be read are named, with what to do."""
        land_both(lake, feed, yesterday(), [ANNE])
        feed.partition(yesterday()).write_bytes(b"PAR1")
        put_snapshot(lake, today(), [ANNE])

        with pytest.raises(BadData, match=f"changes/dt={yesterday()}/.* cannot be read: restore"):
            comparing(lake, feed).execute({})


class TestErased:
    @pytest.mark.parametrize(
        "places", [["lake"], ["feed"], ["lake", "feed"], ["feed", "lake"]], ids="-".join
    )
    @pytest.mark.parametrize("is_early", [True, False])
    def test_no_change(self, lake, feed, log, places, is_early):
        """An erasure, wherever it is done and in whatever order, tells nothing and breaks nothing,
        before the next snapshot or after it."""
        people = {1: ZOE, 2: "anne@example.com"}
        land_list(LocalFolder(lake.folder), yesterday(), people)
        comparing(lake, feed, yesterday()).execute({})
        if not is_early:
            land_list(LocalFolder(lake.folder), today(), people)
        for place in places:
            erased({"lake": lake, "feed": feed}[place])
        if is_early:
            land_list(LocalFolder(lake.folder), today(), people)

        receipt = comparing(lake, feed).execute({})

        assert (0, lake.receipt(yesterday())["sha256"]) == (
            receipt["rows"],
            receipt["previous_sha256"],
        )
        assert listed(lake, today()) == told(feed)
        assert "Applying" not in log()

    @pytest.mark.parametrize("place", ["lake", "feed"])
    def test_landed_again(self, lake, feed, place):
        """Where the snapshot was replaced, too, an erasure from the feed is told on no day, and one
        from the snapshots once."""
        people = {1: ZOE, 2: "anne@example.com"}
        rows = []
        for number, day in enumerate((days_ago(3), days_ago(2), yesterday(), today())):
            land_list(LocalFolder(lake.folder), day, people)
            rows.append(comparing(lake, feed, day).execute({})["changed_records"])
            land_list(LocalFolder(lake.folder), day, {3: "a@x"})
            if not number:
                erased({"lake": lake, "feed": feed}[place])

        assert [0, int(place == "lake"), 0, 0] == rows

    @pytest.mark.parametrize("steps", [1, 2])
    def test_killed(self, lake, feed, steps):
        """After an erasure that was killed in the feed, changes add up."""
        land_both(lake, feed, yesterday(), [(1, ZOE, None, None), BJORN])
        kill(erased, feed.folder, steps)
        put_snapshot(lake, today(), [BJORN])

        comparing(lake, feed).execute({})

        assert listed(lake, today()) == told(feed)


class TestKilled:
    """A landing of changes was killed between the partition and its receipt."""

    @pytest.mark.parametrize("is_first", [True, False])
    @pytest.mark.parametrize("is_retried", [True, False])
    def test_next_day(self, lake, feed, is_first, is_retried):
        """The next day leads from what lies there, whether or not the task is tried again, and the
        snapshot is landed again in between."""
        land_both(lake, feed, days_ago(3), [ANNE])
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        if not is_first:
            comparing(lake, feed, yesterday()).execute({})
            put_snapshot(lake, yesterday(), [ANNE, CARLA])
        kill(partial(tell, lake, day=yesterday()), feed.folder, 1)
        put_snapshot(lake, yesterday(), [ANNE, DORA])
        put_snapshot(lake, today(), [DORA])

        if is_retried:
            comparing(lake, feed, yesterday()).execute({})
        comparing(lake, feed, max_removed=None).execute({})

        assert listed(lake, today()) == told(feed)
        before = feed.files()
        if is_retried:
            assert not comparing(lake, feed, yesterday()).execute({})["changed"]
        else:
            with pytest.raises(AirflowSkipException, match=f"of {today()} already include those"):
                comparing(lake, feed, yesterday()).execute({})
        assert before == feed.files()

    def test_back_again(self, lake, feed):
        """The receipt of a day does not vouch for changes that a killed task put in their place,
        even when the snapshot of which it speaks has been landed again since."""
        land_both(lake, feed, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, yesterday(), [ANNE, CARLA])
        kill(partial(tell, lake, day=yesterday()), feed.folder, 1)
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        assert lake.receipt(yesterday())["sha256"] == feed.receipt(yesterday())["source_sha256"]
        put_snapshot(lake, today(), [ANNE, BJORN, DORA])

        comparing(lake, feed).execute({})

        assert listed(lake, today()) == told(feed)

    def test_changes_deleted(self, lake, feed):
        """Where somebody has deleted a day's changes, those of the next day include them."""
        for days, records in ((3, [ANNE]), (2, [ANNE, BJORN])):
            land_both(lake, feed, days_ago(days), records)
        feed.partition(days_ago(2)).unlink()
        put_snapshot(lake, today(), [BJORN, CARLA])

        receipt = comparing(lake, feed, max_removed=None).execute({})

        assert str(days_ago(3)) == receipt["previous_snapshot_date"]
        assert listed(lake, today()) == told(feed)


class TestAtOnce:
    @pytest.mark.parametrize("days", [2, 0], ids=["earlier", "later"])
    def test_another_day(self, lake, feed, days):
        """Changes of another day, landed during the comparison, make the task fail, and adding up
        is restored by its next try."""
        for each, records in ((3, [ANNE]), (2, [BJORN]), (1, [CARLA]), (0, [DORA])):
            put_snapshot(lake, days_ago(each), records)
        tell(lake, LocalFolder(feed.folder), days_ago(3))

        class Meeting(LocalFolder):
            def locked(self, raise_if_stopped):
                tell(lake, LocalFolder(feed.folder), days_ago(days))
                return super().locked(raise_if_stopped)

        with pytest.raises(Conflict, match=f"dt={days_ago(days)}/.* been changed by another task"):
            tell(lake, Meeting(feed.folder), yesterday())

        assert listed(lake, days_ago(days)) == told(feed)
        comparing(lake, feed, max_removed=None).execute({})
        assert listed(lake, today()) == told(feed)

    def test_unknown_to_the_next_day(self, lake, feed):
        """Changes that appeared after those of the next day had been planned are counted by the day
        after, as where a store has no conditional requests."""
        for each, records in ((3, [ANNE]), (2, [BJORN]), (1, [ANNE, CARLA]), (0, [DORA])):
            put_snapshot(lake, days_ago(each), records)
        tell(lake, LocalFolder(feed.folder), days_ago(3))
        before = feed.files()
        tell(lake, LocalFolder(feed.folder), days_ago(2))
        late = {name: each for name, each in feed.files().items() if name not in before}
        feed.restore(before)
        tell(lake, LocalFolder(feed.folder), yesterday())
        feed.restore({**feed.files(), **late})
        assert listed(lake, yesterday()) != told(feed)

        tell(lake, LocalFolder(feed.folder), today())

        assert listed(lake, today()) == told(feed)


def test_older_receipt(lake, feed):
    """Where an earlier version told the last day, the snapshot's digest is enough."""
    land_both(lake, feed, yesterday(), [ANNE])
    receipt = feed.receipt(yesterday())
    del receipt["source_observed_at"]
    feed.receipt_path(yesterday()).write_text(json.dumps(receipt))
    put_snapshot(lake, today(), [ANNE, BJORN])

    assert receipt["source_sha256"] == comparing(lake, feed).execute({})["previous_sha256"]


def test_renamed_connection(lake, feed):
    """Where the connection was renamed, and the last snapshot landed under the new name, too."""
    for days in (3, 2):
        land_both(lake, feed, days_ago(days), [ANNE], conn_id="old")
    put_snapshot(lake, days_ago(2), [ANNE, BJORN], conn_id="new")
    put_snapshot(lake, today(), [ANNE, BJORN], conn_id="new")

    assert "new" == comparing(lake, feed).execute({})["conn_id"]


@pytest.mark.parametrize("keep_days", [1, 2])
def test_keep_days(api, lake, feed, keep_days):
    """Retention keeps the last live snapshot, with which the next one is compared after a gap."""
    land(lake, days_ago(4))
    lake.make_live(days_ago(4))
    comparing(lake, feed, days_ago(4)).execute({})
    api.unsubscribes = api.unsubscribes[1:]

    land(lake, keep_days=keep_days)

    assert lake.holds(days_ago(4)) and not lake.holds(yesterday())
    assert 1 == comparing(lake, feed).execute({})["removed"]
