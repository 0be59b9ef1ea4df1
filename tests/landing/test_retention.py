"""Old snapshots go, with all that belongs to them, and no other file."""

from __future__ import annotations

from functools import partial

import pytest

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.retention import remove_old
from mailpartner_provider.lake.s3 import S3Folder
from tests.support.api import THREE
from tests.support.days import days_ago, today
from tests.support.killed import kill
from tests.support.lake import partition_name, quarantine_name, receipt_name
from tests.support.landing import land


def names_of(*days):
    """Return all that belongs to snapshots of so many days ago."""
    kinds = (partition_name, receipt_name, quarantine_name)
    return {name_of(days_ago(each)) for each in days for name_of in kinds}


@pytest.fixture
def landed(api, lake):
    """Snapshots of nine days, with quarantine."""
    api.unsubscribes = [*THREE, {"id": 1}]
    for days in range(9, 0, -1):
        land(lake, days_ago(days), max_rejected=1)
    return lake


class TestKeepDays:
    def test_old_days(self, landed, log):
        """Snapshots of keep_days before the day and earlier go, and the log says which."""
        land(landed, max_rejected=1, keep_days=7)

        assert names_of(*range(7)) == set(landed.files())
        assert not (landed / f"dt={days_ago(7)}").exists()
        for days in (9, 8, 7):
            assert f"Removed the snapshot of {days_ago(days)}" in log()
        assert f"Removed the snapshot of {days_ago(6)}" not in log()

    def test_by_default(self, landed):
        """Without keep_days everything stays."""
        before = landed.files()

        land(landed, max_rejected=1)

        assert before.items() <= landed.files().items()

    def test_own_day_stays(self, landed):
        """The snapshot that was landed just now stays, however few days are kept, and however
        old it is; so do those of later days."""
        land(landed, days_ago(5), max_rejected=1, keep_days=1)

        assert names_of(*range(1, 6)) == set(landed.files())

    def test_failure_removes_nothing(self, api, landed):
        """A landing that fails removes nothing."""
        before = landed.files()

        with pytest.raises(Exception, match="max_rejected"):
            land(landed, keep_days=1)

        assert before == landed.files()

    def test_without_receipt(self, landed):
        """A partition without a receipt is removed, unless it is of the day before: the landing of
        that day may be about to write its receipt."""
        for days in (1, 2):
            landed.receipt_path(days_ago(days)).unlink()

        land(landed, max_rejected=1, keep_days=1)

        assert names_of(0, 1) - {receipt_name(days_ago(1))} == set(landed.files())

    def test_foreign_files(self, landed, log):
        """Files of others stay, in folders of old days too, and are not logged as removed."""
        foreign = (
            "dt=2020-01-01/mine.parquet",
            f"dt={days_ago(9)}/mine",
            "_receipts/dt=2020-01-01.txt",
            "_receipts_of_others/dt=2020-01-01.json",
        )
        for name in foreign:
            (landed / name).parent.mkdir(exist_ok=True)
            (landed / name).write_text("mine")

        land(landed, max_rejected=1, keep_days=1)

        assert names_of(0) | set(foreign) == set(landed.files())
        assert "Removed the snapshot of 2020-01-01" not in log()

    @pytest.mark.parametrize("removals", [1, 3, 4, 7, 8])
    def test_killed(self, landed, removals):
        """A kill midway leaves no receipt without its partition and its quarantine, and the next
        removal finds what is left."""
        kill(partial(remove_old, newest=today(), keep_days=7), landed.folder, removals)

        left = set(landed.files())
        for days in range(1, 10):
            assert receipt_name(days_ago(days)) not in left or names_of(days) <= left
        assert 3 * 3 - removals == len(left & names_of(9, 8, 7))

        remove_old(LocalFolder(landed.folder), today(), 7)
        assert names_of(*range(1, 7)) == set(landed.files())

    @pytest.fixture
    def amazon(self, api, bucket_lake, monkeypatch):
        """A bucket of Amazon's, with the snapshots of nine days."""
        monkeypatch.setattr(S3Folder, "vendor", ("127.0.0.1",))
        for days in range(9, 0, -1):
            land(bucket_lake, days_ago(days))
        bucket_lake.bucket.asked.clear()
        return bucket_lake

    def test_amazon(self, amazon):
        """At Amazon, all receipts are removed by one request, and then all partitions."""
        land(amazon, keep_days=1)

        asked = amazon.bucket.asked
        assert {partition_name(), receipt_name()} == set(amazon.files())
        assert 2 == asked.count("POST /lake")
        assert not [each for each in asked if each.startswith("DELETE")]

    def test_many(self, amazon, monkeypatch):
        """More files than one request may remove are removed by several."""
        monkeypatch.setattr(S3Folder, "removed_at_once", 3)

        land(amazon, keep_days=1)

        assert {partition_name(), receipt_name()} == set(amazon.files())
        assert 2 * 3 == amazon.bucket.asked.count("POST /lake")

    def test_object_store(self, api, bucket):
        """Old snapshots are removed from a bucket by four lists and two requests for each file."""
        lake = "s3://aws_default@lake/x"
        for days in (3, 2, 1):
            land(lake, days_ago(days))
        bucket.asked.clear()

        land(lake, keep_days=2)

        days = [days_ago(1), today()]
        assert {f"x/{file(day)}" for day in days for file in (partition_name, receipt_name)} == (
            set(bucket)
        )
        asked = [each for each in bucket.asked if "/lake/x/" in each]  # without the lists
        assert 8 + 3 + 2 * 4 == len(asked), asked


class TestBackfillInBetween:
    """In a bucket, a day that is landed while it is removed is there whole, or not at all."""

    @pytest.fixture
    def day(self):
        """The day that is removed."""
        return days_ago(9)

    def before(self, bucket, asked, work):
        """Do some work just before this request is answered for the first time."""
        left = [work]

        def fault(request):
            if request.asked == asked and left:
                left.pop()()
            return request.answer()

        bucket.fault = fault

    def test_landing(self, api, bucket_lake, day):
        """A backfill whose partition is removed before its receipt is there lands it again."""
        destination = open_destination(str(bucket_lake))
        self.before(
            bucket_lake.bucket,
            f"PUT /lake/{bucket_lake.receipt_path(day)}",
            lambda: remove_old(destination, today(), 2),
        )

        land(bucket_lake, day)

        assert {partition_name(day), receipt_name(day)} == set(bucket_lake.files())

    def test_removal(self, api, bucket_lake, day):
        """A removal during which the same list is landed again removes that, too: its ETag is the
        one that was to be removed."""
        land(bucket_lake, day)
        self.before(
            bucket_lake.bucket,
            f"DELETE /lake/{bucket_lake.partition(day)}",
            lambda: land(bucket_lake, day),
        )

        land(bucket_lake, keep_days=2)

        assert {partition_name(), receipt_name()} == set(bucket_lake.files())
