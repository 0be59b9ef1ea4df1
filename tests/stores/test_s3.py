"""The same landing in an object store: a real S3 server on loopback."""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from mailpartner_provider.errors import BadData, LandingStopped, RequestFailed
from mailpartner_provider.testing.answers import Answer
from tests.conftest import THREE, TODAY, YESTERDAY, at_once, cut_off, land, listing, operator
from tests.support.bucket import KEY, SECRET, Request, refusing

LAKE = "s3://aws_default@lake/mailpartner/unsubscribes"
ROOT = "mailpartner/unsubscribes"
PARTITION = f"{ROOT}/dt={TODAY}/part-00000.parquet"
RECEIPT = f"{ROOT}/_receipts/dt={TODAY}.json"
QUARANTINE = f"{ROOT}/_rejected/dt={TODAY}.jsonl"

pytestmark = pytest.mark.usefixtures("temporary_files")


@pytest.fixture
def temporary_files(tmp_path, monkeypatch):
    """A folder for temporary files that is this test's own, and empty when the test is over."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert [] == list(tmp_path.iterdir())


def receipt_of(bucket, day=TODAY):
    return json.loads(bucket[f"{ROOT}/_receipts/dt={day}.json"])


class TestLanding:
    def test_what_lies_there(self, api, bucket):
        """A landing leaves a partition and a receipt, and nothing else."""
        receipt = land(LAKE)

        assert {PARTITION, RECEIPT} == set(bucket)
        assert receipt == receipt_of(bucket)
        assert f"s3://lake/{PARTITION}" == receipt["uri"]
        assert len(bucket[PARTITION]) == receipt["bytes"]

    def test_read_back(self, api, bucket):
        """The partition is read back by pandas and by pyarrow."""
        land(LAKE)
        options = {"key": KEY, "secret": SECRET, "endpoint_url": bucket.url}

        frame = pd.read_parquet(f"s3://lake/{PARTITION}", storage_options=options)
        root = ObjectStoragePath(LAKE)
        table = pq.read_table(root.path, filesystem=root.fs)

        assert [record["id"] for record in THREE] == frame["id"].tolist()
        assert [record["email"] for record in THREE] == table["email"].to_pylist()
        assert [str(TODAY)] * 3 == [str(day) for day in table["dt"].to_pylist()]

    def test_again(self, api, bucket):
        """The same answer gives the same bytes, and changed is false."""
        first, before = land(LAKE), bucket[PARTITION]

        second = land(LAKE)

        assert (True, False) == (first["changed"], second["changed"])
        assert before == bucket[PARTITION]
        assert 1 == bucket.asked.count(f"PUT /lake/{PARTITION}")

    def test_few_requests(self, api, bucket):
        """A daily landing asks seven times, however long its history; the first one ten times."""
        land(LAKE, snapshot_date=str(TODAY - timedelta(days=99)))
        assert 10 == len(bucket.asked), bucket.asked
        for days in (1, 2, 30):
            land(LAKE, snapshot_date=str(TODAY - timedelta(days=days)))
        bucket.asked.clear()

        land(LAKE)

        assert 7 == len(bucket.asked), bucket.asked
        assert f"PUT /lake/{RECEIPT}" == bucket.asked[-1]

    def test_other_days_stay(self, api, bucket):
        """A landing touches its own day only."""
        land(LAKE, snapshot_date=str(YESTERDAY))
        before = dict(bucket)

        receipt = land(LAKE)

        assert before.items() <= dict(bucket).items()
        assert str(YESTERDAY) == receipt["previous_snapshot_date"]

    def test_foreign_objects(self, api, bucket):
        """Foreign objects are left alone."""
        bucket[f"{ROOT}/README.md"] = b"ours"
        bucket[f"{ROOT}/_receipts/notes.txt"] = b"ours"

        land(LAKE)

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
    def test_broken_answer(self, api, bucket, answer, landed_before):
        """A broken or truncated answer leaves the bucket as it was."""
        if landed_before:
            land(LAKE)
        before = dict(bucket)
        api.script(*[answer] * 4)

        with pytest.raises(RequestFailed):
            land(LAKE)

        assert before == dict(bucket)

    def test_stopped(self, api, bucket):
        """A landing that is stopped before it publishes leaves the bucket as it was."""
        task = operator(LAKE)

        def pieces():
            yield json.dumps(listing(THREE)).encode()
            task.on_kill()

        api.script(Answer(pieces()))

        with pytest.raises(LandingStopped):
            task.execute({})

        assert {} == dict(bucket)

    def test_refused_partition(self, api, bucket):
        """A refused PUT of the partition leaves the bucket as it was, and is named."""
        land(LAKE)
        before = dict(bucket)
        api.unsubscribes = THREE[:2]
        bucket.fault = refusing(f"PUT /lake/{PARTITION}")

        with pytest.raises(OSError, match=f"^cannot write s3://lake/{PARTITION}: Access Denied$"):
            land(LAKE)

        assert before == dict(bucket)

    def test_refused_receipt(self, api, bucket):
        """A refused PUT of the receipt, which comes last, is mended by the next run."""
        land(LAKE)
        api.unsubscribes = THREE[:2]
        bucket.fault = refusing(f"PUT /lake/{RECEIPT}")
        with pytest.raises(OSError, match=f"^cannot write s3://lake/{RECEIPT}: Access Denied$"):
            land(LAKE)
        bucket.fault = Request.answer

        receipt = land(LAKE)

        assert receipt == receipt_of(bucket)
        assert (2, hashlib.sha256(bucket[PARTITION]).hexdigest()) == (
            receipt["rows"],
            receipt["sha256"],
        )

    def test_missing_bucket(self, api, bucket, log):
        """A bucket that does not exist is named, in an error of one line."""
        with pytest.raises(OSError) as caught:
            land("s3://aws_default@no-such-lake/unsubscribes")

        why = str(caught.value)
        assert why.startswith("cannot write s3://no-such-lake/unsubscribes/")
        assert why.endswith(": The specified bucket does not exist")
        assert why in log()

    def test_no_server(self, api, bucket, monkeypatch):
        """A store that cannot be reached is named, and nothing is asked of the API."""
        once = {"retries": {"max_attempts": 0}}
        extra = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": once}
        monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "aws", "extra": extra}))

        with pytest.raises(OSError, match="cannot read s3://lake/x/_receipts/"):
            land("s3://gone@lake/x")

        assert [] == api.asked


class TestHistory:
    def test_live_stays(self, api, bucket):
        """A backdated landing keeps the live snapshot, and gives its receipt."""
        land(LAKE, snapshot_date=str(YESTERDAY))
        place = f"{ROOT}/_receipts/dt={YESTERDAY}.json"
        bucket[place] = bucket[place].replace(b'"backdated"', b'"live"')
        before = dict(bucket)
        api.unsubscribes = THREE[:2]

        receipt = land(LAKE, snapshot_date=str(YESTERDAY))

        assert before == dict(bucket)
        assert {**receipt_of(bucket, YESTERDAY), "changed": False} == receipt

    def test_quarantine(self, api, bucket):
        """Quarantine is published with a landing, and removed by one that rejects nothing."""
        api.unsubscribes = [*THREE, {"id": 21}]
        land(LAKE, max_rejected=1)
        (line,) = bucket[QUARANTINE].splitlines()
        assert {"reason": "email is missing", "record": {"id": 21}} == json.loads(line)
        api.unsubscribes = THREE

        land(LAKE)

        assert QUARANTINE not in bucket

    def test_guard(self, api, bucket):
        """max_shrink guards a list that was longer in the last snapshot, however long ago."""
        land(LAKE, snapshot_date=str(TODAY - timedelta(days=40)))
        before = dict(bucket)
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list shrank from 3 to 0 since"):
            land(LAKE)

        assert before == dict(bucket)

    def test_unreadable_receipt(self, api, bucket, log):
        """A receipt that cannot be read, even an empty one, is a warning that names it."""
        bucket[f"{ROOT}/_receipts/dt={YESTERDAY}.json"] = b""

        assert land(LAKE)["previous_rows"] is None
        assert (
            f"Ignoring unreadable receipt s3://lake/{ROOT}/_receipts/dt={YESTERDAY}.json" in log()
        )


class TestNothingStale:
    def test_receipt(self, api, bucket):
        """A receipt that another process replaced since the last landing is read anew."""
        land(LAKE, snapshot_date=str(YESTERDAY))
        assert 3 == land(LAKE)["previous_rows"]
        place = f"{ROOT}/_receipts/dt={YESTERDAY}.json"
        bucket[place] = bucket[place].replace(b'"rows": 3', b'"rows": 4')

        assert 4 == land(LAKE)["previous_rows"]

    def test_listing(self, api, bucket):
        """Receipts that another process added or removed since the last landing are noticed, even
        if that published nothing."""
        days = [TODAY - timedelta(days=days) for days in (20, 10)]
        old, new = (f"{ROOT}/_receipts/dt={day}.json" for day in days)
        land(LAKE, snapshot_date=str(days[0]))
        api.unsubscribes = []

        with pytest.raises(BadData, match=f"since {days[0]}"):
            land(LAKE)

        bucket[new] = bucket[old].replace(str(days[0]).encode(), str(days[1]).encode())
        with pytest.raises(BadData, match=f"since {days[1]}"):
            land(LAKE)

        del bucket[new]
        with pytest.raises(BadData, match=f"since {days[0]}"):
            land(LAKE)

    def test_partition(self, api, bucket):
        """A partition that another process damaged or removed is put back."""
        land(LAKE)
        whole = bucket[PARTITION]

        bucket[PARTITION] = bytes(len(whole))
        assert land(LAKE)["changed"]
        assert whole == bucket[PARTITION]

        del bucket[PARTITION]
        assert land(LAKE)["changed"]
        assert whole == bucket[PARTITION]
