"""Which two snapshots are compared, and which are not."""

from __future__ import annotations

import pytest

from mailpartner_provider.compat import AirflowFailException, AirflowSkipException
from mailpartner_provider.errors import BadData
from tests.support.changes import ANNE, BJORN, CARLA, begin, changes, compare
from tests.support.days import days_ago, today, yesterday
from tests.support.feeds import listed, told
from tests.support.snapshots import put_snapshot


class TestWhichSnapshots:
    def test_gap(self, lake, feed):
        """After a gap of days, every row and the receipt name the day compared with."""
        put_snapshot(lake, days_ago(40), [ANNE])
        put_snapshot(lake, today(), [BJORN])

        receipt = compare(lake, feed)

        assert str(days_ago(40)) == receipt["previous_snapshot_date"]
        assert [today()] * 2 == feed.table().column("snapshot_date").to_pylist()
        assert [days_ago(40)] * 2 == feed.table().column("previous_snapshot_date").to_pylist()

    def test_backdated_before(self, lake, feed):
        """A backdated snapshot is never the one compared with: it lacks those removed since."""
        put_snapshot(lake, days_ago(40), [ANNE, BJORN])
        put_snapshot(lake, yesterday(), [ANNE], status="backdated")
        put_snapshot(lake, today(), [ANNE, CARLA])

        compare(lake, feed)

        assert [("added", CARLA), ("removed", BJORN)] == changes(feed)
        assert {days_ago(40)} == set(feed.table().column("previous_snapshot_date").to_pylist())

    def test_only_backdated_before(self, lake, feed):
        """The first live snapshot is the very first one, whatever was landed backdated."""
        put_snapshot(lake, yesterday(), [ANNE], status="backdated")
        put_snapshot(lake, today(), [ANNE])

        assert compare(lake, feed)["previous_snapshot_date"] is None
        assert [("added", ANNE)] == changes(feed)

    def test_backdated(self, lake, feed):
        """The changes of a backdated snapshot are not landed: the task is skipped, and publishes
        nothing."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN], status="backdated")

        with pytest.raises(AirflowSkipException, match=f"snapshot of {today()} is backdated"):
            compare(lake, feed)

        assert not feed.holds(today())

    def test_not_landed(self, lake, feed):
        """A day without a receipt has not been landed, whatever file lies there."""
        put_snapshot(lake, today(), [ANNE])
        lake.receipt_path().unlink()

        with pytest.raises(
            BadData, match=f"has no readable receipt of {today()}: land that day first"
        ):
            compare(lake, feed)

        assert not feed.holds(today())

    def test_unreadable_before(self, lake, feed):
        """A day before whose receipt cannot be read is left out, and the changes still add up."""
        put_snapshot(lake, days_ago(40), [ANNE])
        put_snapshot(lake, yesterday(), [BJORN])
        lake.receipt_path(yesterday()).write_text('{"rows": 1')
        put_snapshot(lake, today(), [ANNE])

        assert str(days_ago(40)) == compare(lake, feed)["previous_snapshot_date"]

    def test_receipt_of_another_day(self, lake, feed, log):
        """A receipt under the name of another day is none."""
        put_snapshot(lake, days_ago(40), [ANNE])
        receipts = lake / "_receipts"
        copy = (receipts / f"dt={days_ago(40)}.json").read_text()
        (receipts / f"dt={today()}.json").write_text(copy)

        with pytest.raises(BadData, match="no readable receipt"):
            compare(lake, feed)

        assert f"it is the receipt of {days_ago(40)}" in log()

    def test_other_file(self, lake, feed):
        """A file that is not the one that its receipt names is not compared."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN])
        begin(lake, feed)
        receipt = lake.receipt_path(today()).read_text()
        put_snapshot(lake, today(), [CARLA])
        lake.receipt_path(today()).write_text(receipt)

        with pytest.raises(BadData, match=f"dt={today()}/.* does not match its receipt"):
            compare(lake, feed)

        assert not feed.holds(today())

    def test_no_file(self, lake, feed):
        """A file that is gone is not taken for an empty one."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN])
        begin(lake, feed)
        lake.partition(today()).unlink()

        with pytest.raises(BadData, match=f"dt={today()}/.* is missing, and its receipt exists"):
            compare(lake, feed)

        assert not feed.holds(today())

    @pytest.mark.parametrize("is_gone", [True, False])
    def test_file_before(self, lake, feed, is_gone):
        """Where the snapshot before is gone, or is not the one that its receipt names, as after a
        killed landing, the day is compared with the changes landed so far."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN])
        begin(lake, feed)
        if is_gone:
            lake.partition(yesterday()).unlink()
        else:
            receipt = lake.receipt_path(yesterday()).read_text()
            put_snapshot(lake, yesterday(), [CARLA])
            lake.receipt_path(yesterday()).write_text(receipt)

        compare(lake, feed)

        assert listed(lake, today()) == told(feed)

    @pytest.mark.parametrize("days", [1, 0])
    def test_other_count(self, lake, feed, days):
        """Changes that do not lead from one receipt's count to the other's are not published."""
        day = days_ago(days)
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [ANNE])
        begin(lake, feed)
        put_snapshot(lake, day, [ANNE], rows=7)

        with pytest.raises(BadData, match="records, 0 added and 0 removed do not make the"):
            compare(lake, feed)

        assert not feed.holds(today())

    def test_other_partitions(self, lake, feed):
        """Partitions by created_at are no snapshots."""
        put_snapshot(lake, today(), [ANNE], partition_by="created")

        with pytest.raises(AirflowFailException, match="with partition_by='created'"):
            compare(lake, feed)
