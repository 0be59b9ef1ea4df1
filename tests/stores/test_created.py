"""Partitions by day of opt-out in a bucket."""

from __future__ import annotations

import json
import tempfile

import pytest

from mailpartner_provider.lake.layouts import INDEX
from tests.support.created import (
    FIVE,
    UNDATED,
    land_created,
)
from tests.support.days import days_ago, today, yesterday
from tests.support.front import Request, refusing
from tests.support.lake import receipt_name
from tests.support.stores import prove


class TestObjectStore:
    lake = "s3://aws_default@lake/unsubscribes"

    @pytest.fixture(autouse=True)
    def temporary_files(self, tmp_path, monkeypatch):
        """A folder for temporary files that is this test's own, and empty when it is over."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        yield
        assert [] == list(tmp_path.iterdir())

    def test_what_lies_there(self, api, bucket):
        """A list is landed, changed, emptied, with the same files as in a folder."""
        api.unsubscribes = FIVE
        receipt = land_created(self.lake)
        days = ["2015-07-20", "2015-07-21", "2025-10-26", UNDATED]
        names = {f"unsubscribes/dt={day}/part-00000.parquet" for day in days}
        others = {f"unsubscribes/{INDEX}", f"unsubscribes/_receipts/dt={today()}.json"}
        assert names | others == set(bucket)
        assert "s3://lake/unsubscribes" == receipt["uri"]

        api.unsubscribes = []
        receipt = land_created(self.lake, max_shrink=None)
        names = {f"unsubscribes/dt={UNDATED}/part-00000.parquet"}
        assert names | others == set(bucket)
        assert 3 == receipt["partitions_removed"]

    def test_few_requests(self, api, bucket):
        """A landing asks fifteen times and once more for each day that changed, however many days
        there are; one that finds the same list asks eleven times."""
        prove(bucket.url)
        api.unsubscribes = [
            {"id": n, "email": "a@example.com", "createdAt": f"{2000 + n}-01-01 00:00:00"}
            for n in range(25)
        ]
        land_created(self.lake, days_ago(2))
        land_created(self.lake, yesterday())
        bucket.asked.clear()

        land_created(self.lake)
        assert 11 == len(bucket.asked), bucket.asked
        bucket.asked.clear()

        api.unsubscribes = [*api.unsubscribes, {**FIVE[4], "createdAt": "2002-01-01 00:00:00"}]
        assert 1 == land_created(self.lake)["partitions_written"]
        assert 16 == len(bucket.asked), bucket.asked
        day, receipt = "dt=2002-01-01/part-00000.parquet", receipt_name()
        assert [f"PUT /lake/unsubscribes/{name}" for name in (INDEX, day, INDEX, receipt)] == [
            asked for asked in bucket.asked if asked.startswith("PUT")
        ]

    def test_refused(self, api, bucket):
        """A PUT that is refused midway is mended by the next run."""
        api.unsubscribes = FIVE
        land_created(self.lake)
        api.unsubscribes = [{**each, "email": "new@example.com"} for each in FIVE]
        place = "unsubscribes/dt=2015-07-21/part-00000.parquet"
        bucket.fault = refusing(f"PUT /lake/{place}")
        with pytest.raises(OSError, match=f"^cannot write s3://lake/{place}: Access Denied$"):
            land_created(self.lake)
        bucket.fault = Request.answer

        assert 4 == land_created(self.lake)["partitions_written"]
        assert not land_created(self.lake)["changed"]

    def test_removed_by_others(self, api, bucket):
        """A partition that another process removed since the last landing is put back."""
        land_created(self.lake)
        del bucket["unsubscribes/dt=2015-07-20/part-00000.parquet"]

        assert 1 == land_created(self.lake)["partitions_written"]

    def test_index_of_digests(self, api, bucket):
        """An index of digests alone vouches for its files, and gets their versions."""
        land_created(self.lake)
        name = f"unsubscribes/{INDEX}"
        before = bucket[name]
        members = {day: each["sha256"] for day, each in json.loads(before).items()}
        bucket[name] = json.dumps(members).encode()

        assert 0 == land_created(self.lake)["partitions_written"]
        assert before == bucket[name]
