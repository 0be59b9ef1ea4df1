"""Destinations of earlier versions are erased from."""

from __future__ import annotations

from tests.support.lake import files
from tests.support.upgrade import (
    EVERY,
    FIRST,
    LANDED,
    LAST,
    NEWEST,
    OLDEST,
    READER,
    SNAPSHOTS,
    assert_nowhere,
    assert_vouched,
    erase,
    having,
    land_as,
    list_of,
    next_list,
    records,
)


class TestErase:
    @having(*EVERY, versions=[OLDEST, NEWEST])
    def test_gone(self, place):
        """Erasing takes an address out of every file, and nothing else; the receipts follow."""
        before = {row["id"]: row for row in records(place)}

        assert 0 == erase(place, READER)

        assert_nowhere(READER, place)
        assert_vouched(place)
        after = {row["id"]: row for row in records(place)}
        assert before.keys() == after.keys()
        assert {number for number, row in after.items() if row != before[number]} <= {8}

    @having(*LANDED, versions=[OLDEST, NEWEST])
    def test_landed_afterwards(self, api, version, folder, place):
        """The next landing compares as before, and does not bring the address back."""
        erase(place, READER)
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert_nowhere(READER, place)
        assert_vouched(place)

    @having(*SNAPSHOTS, versions=[OLDEST, NEWEST])
    def test_live_stays(self, api, version, folder, place):
        """A live snapshot of which somebody was erased is kept by a backfill, too."""
        erase(place, READER)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(FIRST))

        assert before == files(place)
        assert ("live", False) == (receipt["status"], receipt["changed"])
