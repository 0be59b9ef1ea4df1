"""The same landing in an object store: a real S3 server on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile

import pandas as pd
import pyarrow.parquet as pq
import pytest

from mailpartner_provider.compat import ObjectStoragePath
from mailpartner_provider.errors import BadData, LandingStopped, RequestFailed
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, at_once, cut_off, listing
from tests.support.bucket import KEY, SECRET
from tests.support.days import days_ago, today, yesterday
from tests.support.docs import PAGES
from tests.support.front import Request, refusing
from tests.support.lake import BucketLake
from tests.support.landing import land, operator
from tests.support.stores import prove

ROOT = "mailpartner/unsubscribes"
#: The requests that a right allows: their method, and whether they list the bucket.
RIGHTS = {
    "s3:GetObject": [("GET", False), ("HEAD", False)],
    "s3:PutObject": [("PUT", False)],
    "s3:ListBucket": [("GET", True)],
}

pytestmark = pytest.mark.usefixtures("temporary_files")


@pytest.fixture
def temporary_files(tmp_path, monkeypatch):
    """A folder for temporary files that is this test's own, and empty when the test is over."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert [] == list(tmp_path.iterdir())


@pytest.fixture
def lake(bucket):
    """A destination in the bucket, empty."""
    return BucketLake(bucket, ROOT)


class TestLanding:
    def test_what_lies_there(self, api, bucket, lake):
        """A landing leaves a partition and a receipt, and nothing else."""
        receipt = land(lake)

        assert {lake.partition(), lake.receipt_path()} == set(bucket)
        assert receipt == lake.receipt()
        assert f"s3://lake/{lake.partition()}" == receipt["uri"]
        assert len(bucket[lake.partition()]) == receipt["bytes"]

    def test_read_back(self, api, bucket, lake):
        """The partition is read back by pandas and by pyarrow."""
        land(lake)
        options = {"key": KEY, "secret": SECRET, "endpoint_url": bucket.url}

        frame = pd.read_parquet(f"s3://lake/{lake.partition()}", storage_options=options)
        root = ObjectStoragePath(lake.destination)
        table = pq.read_table(root.path, filesystem=root.fs)

        assert [record["id"] for record in THREE] == frame["id"].tolist()
        assert [record["email"] for record in THREE] == table["email"].to_pylist()
        assert [str(today())] * 3 == [str(day) for day in table["dt"].to_pylist()]

    def test_again(self, api, bucket, lake):
        """The same answer gives the same bytes, and changed is false."""
        first, before = land(lake), bucket[lake.partition()]
        bucket.asked.clear()

        second = land(lake)

        assert (True, False) == (first["changed"], second["changed"])
        assert before == bucket[lake.partition()]
        assert f"PUT /lake/{lake.partition()}" not in bucket.asked

    def test_few_requests(self, api, bucket, lake):
        """A daily landing asks eight times, however long its history; that of a past day without
        any before asks ten times."""
        prove(bucket.url)
        land(lake, days_ago(99))
        assert 10 == len(bucket.asked), bucket.asked
        for days in (1, 2, 30):
            land(lake, days_ago(days))
        bucket.asked.clear()

        land(lake)

        assert 8 == len(bucket.asked), bucket.asked
        assert f"PUT /lake/{lake.receipt_path()}" == bucket.asked[-1]

    def test_least_rights(self, api, bucket, lake):
        """The rights that the guide names for every day are enough: to land, to land again, and to
        land another list, today and the day after."""
        _, every_day, *_ = next(
            line.split("|")[1:]
            for line in PAGES["docs/guides/stores.md"].splitlines()
            if line.startswith("| S3 |")
        )
        methods = {
            method for right in re.findall("s3:[A-Za-z]+", every_day) for method in RIGHTS[right]
        }

        def fault(request):
            is_list = request.asked == "GET /lake"
            if (request.environ["REQUEST_METHOD"], is_list) in methods:
                return request.answer()
            return request.refuse("403 Forbidden", "AccessDenied", "Access Denied")

        bucket.fault = fault
        land(lake, yesterday())
        land(lake)
        land(lake)
        api.unsubscribes = THREE[:2]
        receipt = land(lake)

        bucket.fault = Request.answer
        assert receipt == lake.receipt()

    def test_etag(self, api, bucket, lake):
        """The receipt has the ETag of the file, so that a landing sees without reading the file
        whether it is the one that was landed."""
        receipt = land(lake)
        assert hashlib.md5(bucket[lake.partition()]).hexdigest() == receipt["etag"]
        bucket.asked.clear()

        assert not land(lake)["changed"]
        assert f"HEAD /lake/{lake.partition()}" in bucket.asked
        assert f"GET /lake/{lake.partition()}" not in bucket.asked

    def test_other_days_stay(self, api, bucket, lake):
        """A landing touches its own day only."""
        land(lake, yesterday())
        before = dict(bucket)

        receipt = land(lake)

        assert before.items() <= dict(bucket).items()
        assert str(yesterday()) == receipt["previous_snapshot_date"]

    def test_foreign_objects(self, api, bucket, lake):
        """Foreign objects are left alone."""
        bucket[f"{ROOT}/README.md"] = b"ours"
        bucket[f"{ROOT}/_receipts/notes.txt"] = b"ours"

        land(lake)

        assert b"ours" == bucket[f"{ROOT}/README.md"]
        assert b"ours" == bucket[f"{ROOT}/_receipts/notes.txt"]


class TestAllOrNothing:
    @pytest.mark.parametrize(
        "answer",
        [
            at_once(b"", 503),
            at_once(b'{"success": true, "data": [{"id": 1,'),
            at_once(listing(THREE[:2], nbData=3)),
            cut_off(json.dumps(listing(THREE[:2])).encode()),
        ],
    )
    @pytest.mark.parametrize("landed_before", [True, False])
    def test_broken_answer(self, api, bucket, lake, answer, landed_before):
        """A broken or truncated answer leaves the bucket as it was."""
        if landed_before:
            land(lake)
        before = dict(bucket)
        api.script(*[answer] * 4)

        with pytest.raises(RequestFailed):
            land(lake)

        assert before == dict(bucket)

    def test_stopped(self, api, bucket, lake):
        """A landing that is stopped before it publishes leaves the bucket as it was."""
        task = operator(lake)

        def pieces():
            yield json.dumps(listing(THREE)).encode()
            task.on_kill()

        api.script(Answer(pieces()))

        with pytest.raises(LandingStopped):
            task.execute({})

        assert {} == dict(bucket)

    def test_refused_partition(self, api, bucket, lake):
        """A refused PUT of the partition leaves the bucket as it was, and is named."""
        land(lake)
        before = dict(bucket)
        api.unsubscribes = THREE[:2]
        key = lake.partition()
        bucket.fault = refusing(f"PUT /lake/{key}")

        with pytest.raises(OSError, match=f"^cannot write s3://lake/{key}: Access Denied$"):
            land(lake)

        assert before == dict(bucket)

    def test_refused_receipt(self, api, bucket, lake):
        """A refused PUT of the receipt, which comes last, is mended by the next run."""
        land(lake)
        api.unsubscribes = THREE[:2]
        key = lake.receipt_path()
        bucket.fault = refusing(f"PUT /lake/{key}")
        with pytest.raises(OSError, match=f"^cannot write s3://lake/{key}: Access Denied$"):
            land(lake)
        bucket.fault = Request.answer

        receipt = land(lake)

        assert receipt == lake.receipt()
        assert (2, hashlib.sha256(bucket[lake.partition()]).hexdigest()) == (
            receipt["rows"],
            receipt["sha256"],
        )

    def test_missing_bucket(self, api, bucket, lake, log):
        """A bucket that does not exist is named, in an error of one line."""
        with pytest.raises(OSError) as caught:
            land("s3://aws_default@no-such-lake/unsubscribes")

        why = str(caught.value)
        assert why.startswith("cannot read s3://no-such-lake/unsubscribes/_receipts/")
        assert why.endswith(": The specified bucket does not exist")
        assert why in log()

    def test_no_server(self, api, bucket, lake, monkeypatch):
        """A store that cannot be reached is named, and nothing is asked of the API."""
        once = {"retries": {"max_attempts": 0}}
        extra = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": once}
        monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "aws", "extra": extra}))

        with pytest.raises(OSError, match="cannot read s3://lake/x/_receipts/"):
            land("s3://gone@lake/x")

        assert [] == api.asked


class TestHistory:
    def test_live_stays(self, api, bucket, lake):
        """A backdated landing keeps the live snapshot, and gives its receipt."""
        land(lake, yesterday())
        lake.make_live(yesterday())
        before = dict(bucket)
        api.unsubscribes = THREE[:2]

        receipt = land(lake, yesterday())

        assert before == dict(bucket)
        assert {**lake.receipt(yesterday()), "changed": False} == receipt

    def test_quarantine(self, api, bucket, lake):
        """Quarantine is published with a landing, and removed by one that rejects nothing."""
        api.unsubscribes = [*THREE, {"id": 21}]
        land(lake, max_rejected=1)
        (line,) = bucket[lake.quarantine_path()].splitlines()
        assert {"reason": "email is missing", "record": {"id": 21}} == json.loads(line)
        api.unsubscribes = THREE

        land(lake)

        assert lake.quarantine_path() not in bucket

    def test_guard(self, api, bucket, lake):
        """max_shrink guards a list that was longer in the last snapshot, however long ago."""
        land(lake, days_ago(40))
        before = dict(bucket)
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list shrank from 3 to 0 since"):
            land(lake)

        assert before == dict(bucket)

    def test_unreadable_receipt(self, api, bucket, lake, log):
        """A receipt that cannot be read, even an empty one, is a warning that names it."""
        bucket[lake.receipt_path(yesterday())] = b""

        assert land(lake)["previous_rows"] is None
        assert (
            f"Ignoring unreadable receipt s3://lake/{ROOT}/_receipts/dt={yesterday()}.json" in log()
        )


class TestNothingStale:
    def test_receipt(self, api, bucket, lake):
        """A receipt that another process replaced since the last landing is read again."""
        land(lake, yesterday())
        assert 3 == land(lake)["previous_rows"]
        place = lake.receipt_path(yesterday())
        bucket[place] = bucket[place].replace(b'"rows": 3', b'"rows": 4')

        assert 4 == land(lake)["previous_rows"]

    def test_listing(self, api, bucket, lake):
        """Receipts that another process added or removed since the last landing are noticed, even
        if that published nothing."""
        days = [days_ago(days) for days in (20, 10)]
        old, new = map(lake.receipt_path, days)
        land(lake, days[0])
        api.unsubscribes = []

        with pytest.raises(BadData, match=f"since {days[0]}"):
            land(lake)

        bucket[new] = bucket[old].replace(str(days[0]).encode(), str(days[1]).encode())
        with pytest.raises(BadData, match=f"since {days[1]}"):
            land(lake)

        del bucket[new]
        with pytest.raises(BadData, match=f"since {days[0]}"):
            land(lake)

    def test_partition(self, api, bucket, lake):
        """A partition that another process damaged or removed is put back."""
        land(lake)
        whole = bucket[lake.partition()]

        bucket[lake.partition()] = bytes(len(whole))
        assert land(lake)["changed"]
        assert whole == bucket[lake.partition()]

        del bucket[lake.partition()]
        assert land(lake)["changed"]
        assert whole == bucket[lake.partition()]
