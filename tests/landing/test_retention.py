"""Old snapshots go, with all that belongs to them, and no other file."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from mailpartner_provider.lake.names import partition_file, receipt_file, rejected_file
from mailpartner_provider.lake.retention import remove_old
from mailpartner_provider.lake.local import LocalFolder
from tests.conftest import THREE, TODAY, files, land
from tests.support.killed import kill


def ago(days):
    return TODAY - timedelta(days=days)


def names_of(day):
    return {partition_file(day), receipt_file(day), rejected_file(day)}


@pytest.fixture
def landed(api, lake):
    """Snapshots of nine days, with quarantine."""
    api.unsubscribes = [*THREE, {"id": 1}]
    for days in range(9, 0, -1):
        land(lake, snapshot_date=str(ago(days)), max_rejected=1)
    return lake


class TestKeepDays:
    def test_old_days(self, landed, log):
        """Snapshots of keep_days before the day and earlier go, and the log says which."""
        land(landed, max_rejected=1, keep_days=7)

        assert set().union(*(names_of(ago(days)) for days in range(7))) == set(files(landed))
        assert not (landed / f"dt={ago(7)}").exists()
        for days in (9, 8, 7):
            assert f"Removed the snapshot of {ago(days)}" in log()
        assert f"Removed the snapshot of {ago(6)}" not in log()

    def test_by_default(self, landed):
        """Without keep_days everything stays."""
        before = files(landed)

        land(landed, max_rejected=1)

        assert before.items() <= files(landed).items()

    def test_own_day_stays(self, landed):
        """The snapshot that was landed just now stays, however few days are kept, and however
        old it is; so do those of later days."""
        land(landed, snapshot_date=str(ago(5)), max_rejected=1, keep_days=1)

        assert set().union(*(names_of(ago(days)) for days in range(1, 6))) == set(files(landed))

    def test_failure_removes_nothing(self, api, landed):
        """A landing that fails removes nothing."""
        before = files(landed)

        with pytest.raises(Exception, match="max_rejected"):
            land(landed, keep_days=1)

        assert before == files(landed)

    def test_foreign_files(self, landed):
        """Files of others stay, in folders of old days too."""
        foreign = ("dt=2020-01-01/mine.parquet", f"dt={ago(9)}/mine", "_receipts/dt=2020-01-01.txt")
        for name in foreign:
            (landed / name).parent.mkdir(exist_ok=True)
            (landed / name).write_text("mine")

        land(landed, max_rejected=1, keep_days=1)

        assert names_of(TODAY) | set(foreign) == set(files(landed))

    @pytest.mark.parametrize("removals", [1, 2, 3, 4])
    def test_killed(self, landed, removals):
        """A kill midway leaves no receipt without its partition and its quarantine, and the next
        removal finds what is left."""
        kill(partial(remove_old, newest=TODAY, keep_days=7), landed, removals)

        left = set(files(landed))
        for days in range(1, 10):
            assert receipt_file(ago(days)) not in left or names_of(ago(days)) <= left
        assert names_of(ago(9)) - left
        assert names_of(ago(7)) <= left

        remove_old(LocalFolder(landed), TODAY, 7)
        assert set().union(*(names_of(ago(days)) for days in range(1, 7))) == set(files(landed))

    def test_object_store(self, api, bucket):
        """Old snapshots go from a bucket too, with a few requests to list and one for each file."""
        lake = "s3://aws_default@lake/x"
        for days in (3, 2, 1):
            land(lake, snapshot_date=str(ago(days)))
        bucket.asked.clear()

        land(lake, keep_days=2)

        days = [ago(1), TODAY]
        assert {f"x/{file(day)}" for day in days for file in (partition_file, receipt_file)} == (
            set(bucket)
        )
        assert len(bucket.asked) in (7 + 4 + 4, 7 + 6 + 4), bucket.asked  # s3fs of 2024 lists more
