"""Destinations of earlier versions in a bucket."""

from __future__ import annotations

import pytest

from mailpartner_provider.errors import BadData
from tests.support.upgrade import (
    LAST,
    NEWEST,
    OLDEST,
    at,
    content,
    having,
    land_as,
    list_of,
    moved,
    next_list,
    partitions,
)


class TestBucket:
    """In a bucket it is the same, though no earlier receipt holds what the store calls a file."""

    @pytest.fixture
    def place(self, bucket, version, folder):
        """A destination of a version, in the bucket."""
        for name, data in content(version).items():
            if name.startswith(f"{folder}/"):
                bucket[name] = moved(data, name, "s3://lake")
        return f"s3://aws_default@lake/{folder}"

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_next_day(self, api, version, folder, place):
        """The next day's landing is compared with the last one."""
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people), len(people) + 1) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
            receipt["rows"],
        )

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_max_shrink(self, api, bucket, version, folder, place):
        """A list that lost seven in ten is not landed."""
        before = dict(bucket)
        people = list_of(version, folder)
        api.unsubscribes = people[: len(people) * 3 // 10]

        with pytest.raises(BadData, match="max_shrink"):
            land_as(folder, place)

        assert before == dict(bucket)

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_live_stays(self, api, bucket, version, folder, place):
        """A backfill keeps the live snapshot, or the newest list."""
        before = dict(bucket)
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(LAST))

        assert before == dict(bucket)
        assert ("live", False) == (receipt["status"], receipt["changed"])

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_same_list(self, api, bucket, version, folder, place, tmp_path):
        """The same list on the same day is unchanged where today's version writes the same bytes;
        in any case the partitions are what it writes."""
        stood = dict(bucket)
        if f"{folder}/_erased.jsonl" in stood:
            (tmp_path / "_erased.jsonl").write_bytes(stood[f"{folder}/_erased.jsonl"])
        api.unsubscribes = list_of(version, folder)
        with at(LAST, hour=18):
            land_as(folder, tmp_path, snapshot_date=str(LAST))
            receipt = land_as(folder, place, snapshot_date=str(LAST))

        written = {f"{folder}/{name}": data for name, data in partitions(tmp_path).items()}
        changed = [name for name in written if written[name] != stood[name]]
        assert bool(changed) == receipt["changed"]
        assert written == {name: bucket[name] for name in written}
