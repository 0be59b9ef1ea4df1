"""Changes from one prefix of a bucket to another."""

from __future__ import annotations

import json
from itertools import count
from operator import itemgetter

import pytest

from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.changes.landing import land_changes
from mailpartner_provider.changes.pair import ChangesRequest
from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, Conflict, LandingStopped
from mailpartner_provider.hooks.storage import open_destination
from tests.support.changes import ANNE, BJORN, CARLA, begin, compare, comparing
from tests.support.days import days_ago, today, tomorrow, yesterday
from tests.support.feeds import listed, told
from tests.support.front import Request, refusing
from tests.support.lake import BucketLake, Lake, partition_name
from tests.support.snapshots import put_snapshot


def told_in(bucket, folder):
    """Apply all changes that lie in the bucket."""
    copy = Lake(folder / "copy")
    copy.restore(BucketLake(bucket, "changes").files())
    return told(copy)


class TestS3:
    source, destination = "s3://aws_default@lake/unsubscribes", "s3://aws_default@lake/changes"

    @pytest.fixture
    def two_days(self, bucket, lake):
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, today(), [BJORN, CARLA])
        bucket.update({f"unsubscribes/{name}": text for name, text in lake.files().items()})
        return bucket

    def test_what_lies_there(self, two_days, lake, feed):
        """From one prefix of a bucket to another, the same bytes land as in a local folder."""
        before = dict(two_days)

        receipt = compare(self.source, self.destination)

        compare(lake, feed)
        name = partition_name()
        assert feed.files()[name] == two_days[f"changes/{name}"]
        assert receipt == json.loads(two_days[f"changes/_receipts/dt={today()}.json"])
        assert before.items() <= dict(two_days).items()
        assert len(before) + 4 == len(two_days)

    def test_requests(self, two_days):
        """A day's changes ask for two receipts and two files, and list nothing of the source."""
        begin(self.source, self.destination)
        two_days.asked.clear()

        compare(self.source, self.destination)

        asked = [each for each in two_days.asked if "/unsubscribes/" in each]
        assert [
            f"GET /lake/unsubscribes/_receipts/dt={today()}.json",
            f"GET /lake/unsubscribes/_receipts/dt={yesterday()}.json",
            f"GET /lake/unsubscribes/dt={today()}/part-00000.parquet",
            f"GET /lake/unsubscribes/dt={yesterday()}/part-00000.parquet",
        ] == asked
        assert f"PUT /lake/changes/_receipts/dt={today()}.json" == two_days.asked[-1]

    def test_again(self, two_days):
        """The same snapshots change nothing, and say so."""
        compare(self.source, self.destination)

        assert not compare(self.source, self.destination)["changed"]

    def test_refused(self, two_days):
        """A refused PUT leaves the bucket as it was, and is named."""
        begin(self.source, self.destination)
        two_days.fault = refusing(f"PUT /lake/changes/dt={today()}/part-00000.parquet")
        before = dict(two_days)

        with pytest.raises(OSError, match=f"^cannot write s3://lake/changes/dt={today()}/"):
            compare(self.source, self.destination)

        assert before == dict(two_days)

    def test_stopped(self, two_days):
        """What is stopped at the last moment publishes nothing either."""
        begin(self.source, self.destination)
        task = comparing(self.source, self.destination)
        before = dict(two_days)

        class Stopping(list):
            def append(self, asked):
                super().append(asked)
                if asked == f"HEAD /lake/changes/dt={today()}/part-00000.parquet":
                    task.on_kill()

        two_days.asked = Stopping()

        with pytest.raises(LandingStopped):
            task.execute({})

        assert two_days.asked
        assert before == dict(two_days)

    def test_unreadable_receipt(self, two_days):
        """A receipt that cannot be read is asked for once; the changes before are applied."""
        receipt = f"unsubscribes/_receipts/dt={yesterday()}.json"
        begin(self.source, self.destination)
        two_days[receipt] = b""
        two_days.asked.clear()

        assert (1, 1) == itemgetter("added", "removed")(compare(self.source, self.destination))
        assert 1 == two_days.asked.count(f"GET /lake/{receipt}")

    def test_landed_again(self, two_days, lake, tmp_path):
        """Where the snapshot before was landed again since, the changes add up."""
        begin(self.source, self.destination)
        put_snapshot(lake, yesterday(), [CARLA])
        two_days.update({f"unsubscribes/{name}": text for name, text in lake.files().items()})

        compare(self.source, self.destination)

        assert listed(lake, today()) == told_in(two_days, tmp_path)

    @pytest.mark.parametrize("number", [1, 2], ids=["before", "between"])
    def test_at_once(self, two_days, lake, tmp_path, number):
        """Changes of a later day, landed before the partition or before the receipt, make the task
        fail; whatever it has left there, those of the day after lead from."""
        put_snapshot(lake, tomorrow(), [CARLA])
        put_snapshot(lake, days_ago(-2), [ANNE, CARLA])
        two_days.update({f"unsubscribes/{name}": text for name, text in lake.files().items()})
        begin(self.source, self.destination)
        source, feed = open_destination(self.source), open_destination(self.destination)

        def land(day, feed):
            return land_changes(ChangesRequest(day, source, feed, None), Comparison())

        listings = count(0)

        def fault(request):
            is_listing = "prefix=changes%2Fdt%3D" in request.environ["QUERY_STRING"]
            if is_listing and next(listings) == number:
                two_days.fault = Request.answer
                land(tomorrow(), open_destination(self.destination))
            return request.answer()

        two_days.fault = fault
        with pytest.raises(Conflict):
            land(today(), feed)
        assert two_days.fault is Request.answer
        assert (number == 2) is (f"changes/{partition_name()}" in two_days)

        land(days_ago(-2), feed)
        assert listed(lake, days_ago(-2)) == told_in(two_days, tmp_path)

    def test_damaged(self, two_days):
        """A damaged file is not compared."""
        name = f"unsubscribes/dt={today()}/part-00000.parquet"
        begin(self.source, self.destination)
        two_days[name] = bytes(len(two_days[name]))

        with pytest.raises(BadData, match="does not match its receipt"):
            compare(self.source, self.destination)

    def test_into_the_source(self, two_days):
        """Changes never replace a snapshot here either."""
        before = dict(two_days)

        with pytest.raises(AirflowFailException, match="is .mailpartner.unsubscribes."):
            compare(self.source, self.source)

        assert before == dict(two_days)
