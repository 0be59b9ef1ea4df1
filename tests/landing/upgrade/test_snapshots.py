"""Destinations of earlier versions are read, and landed into."""

from __future__ import annotations

import shutil

import pytest

from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.receipts import read_receipt
from tests.support.lake import files
from tests.support.upgrade import (
    EVERY,
    FIRST,
    LANDED,
    LAST,
    NEWEST,
    NEXT,
    SNAPSHOTS,
    ZOE,
    assert_nowhere,
    assert_vouched,
    at,
    having,
    land_as,
    list_of,
    next_list,
    partitions,
    receipts,
    records,
    rewrite,
)


class TestReceipts:
    @having(*EVERY)
    def test_read(self, place):
        """Every receipt is read by the members that it has, and its partition is what it declares.

        A member that a later version added is no reason to ignore it."""
        for day, stored in receipts(place).items():
            file = place / f"_receipts/dt={day}.json"
            receipt = read_receipt(file.read_bytes(), file.as_uri())

            assert stored.items() <= receipt.as_dict().items()
        assert_vouched(place)

    @having(*LANDED, versions=[NEWEST])
    def test_later_member(self, api, version, folder, place):
        """A member that this version does not know is kept out of the way."""
        rewrite(place, LAST, shards={"count": [1, 2]}, note="@")
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert not receipt.keys() & {"shards", "note"}


class TestNextDay:
    @having(*LANDED)
    def test_compared(self, api, version, folder, place):
        """The next day's landing is compared with the last one."""
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert (len(people) + 1, True, "live") == (
            receipt["rows"],
            receipt["changed"],
            receipt["status"],
        )
        assert_vouched(place)

    @having(*SNAPSHOTS)
    def test_others_stay(self, api, version, folder, place):
        """It leaves every older file as it was."""
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        land_as(folder, place)

        assert before.items() <= files(place).items()
        new = {f"dt={NEXT}/part-00000.parquet", f"_receipts/dt={NEXT}.json"}
        assert new == files(place).keys() - before.keys()

    @having(*LANDED)
    def test_max_shrink(self, api, version, folder, place):
        """A list that lost seven in ten, such as 30 of 100, is not landed."""
        before = files(place)
        people = list_of(version, folder)
        api.unsubscribes = people[: len(people) * 3 // 10]

        with pytest.raises(BadData, match="max_shrink"):
            land_as(folder, place)

        assert before == files(place)

    @having("erased")
    def test_erased(self, api, version, folder, place):
        """Whoever was erased stays so, though the list names them still."""
        api.unsubscribes = next_list(list_of(version, folder))
        assert ZOE in str(api.unsubscribes)

        land_as(folder, place)

        assert_nowhere(ZOE, place)
        stood, stands = (
            next(row["email"] for row in records(place, day) if row["id"] == 4)
            for day in (LAST, NEXT)
        )
        assert stood == stands


class TestPast:
    @having(*SNAPSHOTS)
    @pytest.mark.parametrize("day", [FIRST, LAST], ids=["first", "last"])
    def test_live_stays(self, api, version, folder, place, day):
        """A backfill keeps the live snapshot of its day byte for byte, and returns its receipt."""
        before, stored = files(place), receipts(place)[str(day)]
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(day))

        assert before == files(place)
        assert (stored | {"changed": False}).items() <= receipt.items()

    @having("created")
    @pytest.mark.parametrize("day", [FIRST, LAST], ids=["first", "last"])
    def test_newest_list_stays(self, api, version, folder, place, day):
        """By day of opt-out, it keeps the newest list."""
        before, stored = files(place), receipts(place)[str(LAST)]
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(day))

        assert before == files(place)
        assert (stored | {"changed": False}).items() <= receipt.items()


class TestSameDay:
    @having(*LANDED)
    def test_same_list(self, api, version, folder, place, tmp_path):
        """The same list on the same day is unchanged where today's version writes the same bytes.

        Where it writes others the rows are the same: the first version compressed at another level,
        and other versions of pyarrow may be in use."""
        stood, rows = partitions(place), records(place)
        fresh = tmp_path / "fresh"
        if (place / "_erased.jsonl").exists():
            fresh.mkdir()
            shutil.copy(place / "_erased.jsonl", fresh)
        api.unsubscribes = list_of(version, folder)
        with at(LAST, hour=18):
            land_as(folder, fresh, snapshot_date=str(LAST))
            receipt = land_as(folder, place, snapshot_date=str(LAST))

        written = partitions(fresh)
        changed = [name for name in written if written[name] != stood.get(name)]
        assert bool(changed) == receipt["changed"]
        assert {**stood, **written} == partitions(place)
        assert rows == records(place)
        assert_vouched(place)


class TestCreated:
    @having("created")
    def test_nobody_is_lost(self, api, version, folder, place):
        """A reader of the whole folder sees the new list: nobody is lost, and nobody stays."""
        api.unsubscribes = next_list(list_of(version, folder))

        land_as(folder, place)

        listed = sorted((int(each["id"]), each["email"]) for each in api.unsubscribes)
        assert listed == sorted((row["id"], row["email"]) for row in records(place))

    @having("created")
    def test_goes_on(self, api, version, folder, place):
        """The day after, a list that has not changed changes nothing."""
        api.unsubscribes = next_list(list_of(version, folder))
        land_as(folder, place)
        before = partitions(place)

        with at(NEXT.replace(day=24)):
            receipt = land_as(folder, place, snapshot_date="2026-11-24")

        assert not receipt["changed"]
        assert before == partitions(place)
