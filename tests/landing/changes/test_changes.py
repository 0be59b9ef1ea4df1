"""Which changes lead from one snapshot to the next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailpartner_provider.errors import BadData
from tests.support.api import THREE
from tests.support.changes import ANNE, AT, BJORN, CARLA, DORA, begin, changes, compare, comparing
from tests.support.days import today, yesterday
from tests.support.landing import land
from tests.support.snapshots import put_snapshot


class TestById:
    def test_each_kind(self, lake, feed):
        """An id of this snapshot alone was added, one of the previous alone was removed, and is
        given as it stood; one with another record was changed, and is given as it stands."""
        put_snapshot(lake, yesterday(), [ANNE, BJORN, CARLA])
        put_snapshot(lake, today(), [DORA, (2, "b@example.com", None, None), CARLA])

        receipt = compare(lake, feed)

        assert [
            ("added", DORA),
            ("changed", (2, "b@example.com", None, None)),
            ("removed", ANNE),
        ] == changes(feed)
        assert (3, 1, 1, 1) == (
            receipt["rows"],
            receipt["added"],
            receipt["removed"],
            receipt["changed_records"],
        )

    def test_same_count(self, lake, feed):
        """One who leaves and one who comes on the same day are both seen, though the counts are
        equal."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN])

        compare(lake, feed)

        assert [("added", BJORN), ("removed", ANNE)] == changes(feed)

    @pytest.mark.parametrize(
        "other",
        [
            (1, "Anne@example.com", AT, None),
            (1, "anne@example.com", None, None),
            (1, "anne@example.com", AT + timedelta(microseconds=1), None),
            (1, "anne@example.com", AT, ""),
        ],
    )
    @pytest.mark.parametrize("is_reversed", [False, True])
    def test_changed(self, lake, feed, other, is_reversed):
        """Another e-mail, created_at or extra_fields is a change, to null and from null too."""
        before, after = (other, ANNE) if is_reversed else (ANNE, other)
        put_snapshot(lake, yesterday(), [before])
        put_snapshot(lake, today(), [after])

        compare(lake, feed)

        assert [("changed", after)] == changes(feed)

    def test_nothing(self, lake, feed):
        """A day without changes is a partition without rows."""
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, today(), [BJORN, ANNE])

        assert 0 == compare(lake, feed)["rows"]
        assert [] == changes(feed)

    def test_first(self, lake, feed):
        """Of the very first snapshot everything was added, since no date."""
        put_snapshot(lake, today(), [BJORN, ANNE])

        receipt = compare(lake, feed, max_removed=0)

        assert [("added", ANNE), ("added", BJORN)] == changes(feed)
        assert [None] * 2 == feed.table().column("previous_snapshot_date").to_pylist()
        assert receipt["previous_snapshot_date"] is receipt["previous_sha256"] is None


class TestDuplicates:
    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        [
            ([ANNE, ANNE], [ANNE], [("changed", ANNE)]),
            ([ANNE], [ANNE, ANNE], [("changed", ANNE), ("changed", ANNE)]),
            ([ANNE, ANNE], [], [("removed", ANNE), ("removed", ANNE)]),
            ([], [ANNE, ANNE], [("added", ANNE), ("added", ANNE)]),
            ([ANNE, (1, "a@example.com", None, None)], [ANNE], [("changed", ANNE)]),
            (
                [ANNE, (1, "z@example.com", None, None)],
                [(1, "z@example.com", None, None), ANNE],
                [],
            ),
        ],
    )
    def test_of_an_id(self, lake, feed, before, now, expected):
        """All records of an id are compared, each as often as it is there: an id that is still
        listed is never removed, and a changed one is given with all its records."""
        put_snapshot(lake, yesterday(), [*before, DORA])
        put_snapshot(lake, today(), [DORA, *now])

        compare(lake, feed)

        assert expected == changes(feed)


class TestMaxRemoved:
    people = [(key, "a@example.com", None, None) for key in range(100)]

    @pytest.mark.parametrize(
        ("removed", "max_removed", "passes"),
        [(50, 0.5, True), (51, 0.5, False), (57, 0.57, True), (1, 0, False), (100, 1, True),
         (100, None, True), (0, 0, True)],
    )  # fmt: skip
    def test_share(self, lake, feed, removed, max_removed, passes):
        """A removal of exactly the share passes, more fails; None turns the guard off."""
        put_snapshot(lake, yesterday(), self.people)
        put_snapshot(lake, today(), self.people[removed:])

        if passes:
            assert removed == compare(lake, feed, max_removed=max_removed)["removed"]
        else:
            with pytest.raises(BadData, match=f"^{removed} of 100 records .* max_removed"):
                compare(lake, feed, max_removed=max_removed)
            assert not feed.holds(today())

    def test_other_account(self, lake, feed):
        """A list of the same length, and of other people, fails by default: the landing's guard,
        which counts, cannot see it."""
        put_snapshot(lake, yesterday(), self.people)
        put_snapshot(lake, today(), [(key + 100, *rest) for key, *rest in self.people])
        begin(lake, feed)
        task = comparing(lake, feed)

        with pytest.raises(BadData, match="the list is of the same account"):
            task.execute({})


def test_of_landings(api, lake, feed):
    """What two landings left is compared: who went, who came."""
    land(lake, yesterday())
    lake.make_live(yesterday())
    api.unsubscribes = [*THREE[1:], {"id": 21, "email": "dora@example.com"}]
    land(lake)

    receipt = compare(lake, feed)

    assert [
        ("added", 21),
        ("removed", 19),
    ] == [(change, record[0]) for change, record in changes(feed)]
    assert str(yesterday()) == receipt["previous_snapshot_date"]
