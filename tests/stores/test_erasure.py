"""Erasing people from a bucket."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from itertools import count

import pytest

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.privacy.erasure import erase
from tests.support.days import today, yesterday
from tests.support.erasing import (
    NINE,
    NOW,
    ZOE,
)
from tests.support.front import Request, refusing
from tests.support.lake import partition_name
from tests.support.landing import land
from tests.support.stores import prove


class TestKilled:
    """In a bucket too, erasing somebody else brings to an end what failed at any step."""

    @pytest.mark.parametrize("failing", range(1, 6))
    @pytest.mark.parametrize("partition_by", ["snapshot", "created"])
    def test_before_others(self, api, bucket_lake, partition_by, failing):
        api.unsubscribes = NINE
        land(bucket_lake, yesterday(), partition_by=partition_by)
        prove(bucket_lake.bucket.url)
        puts = count()

        def fault(request):
            if request.asked.startswith("PUT") and next(puts) == failing:
                return request.refuse("403 Forbidden", "AccessDenied", "Access Denied")
            return request.answer()

        bucket_lake.bucket.fault = fault
        with suppress(OSError):
            erase(open_destination(str(bucket_lake)), [ZOE], [], NOW)
        bucket_lake.bucket.fault = Request.answer
        del bucket_lake.bucket[f"{bucket_lake.root}/_erased.jsonl"]

        erase(open_destination(str(bucket_lake)), ["carla@example.com"], [], NOW)

        before = bucket_lake.files()
        if partition_by == "snapshot":
            receipt = bucket_lake.receipt(yesterday())
            partition = before[partition_name(yesterday())]
            assert hashlib.sha256(partition).hexdigest() == receipt["sha256"]
            assert hashlib.md5(partition).hexdigest() == receipt["etag"]
            assert len(partition) == receipt["bytes"]
        else:
            for name, declared in json.loads(before["_partitions.json"]).items():
                assert hashlib.sha256(before[name]).hexdigest() == declared["sha256"]
                assert hashlib.md5(before[name]).hexdigest() == declared["version"]
        assert b"next_sha256" not in b"".join(before.values())
        assert not erase(open_destination(str(bucket_lake)), ["carla@example.com"], [], NOW).files
        assert before == bucket_lake.files()


class TestS3:
    lake = "s3://aws_default@lake/unsubscribes"

    def test_gone(self, api, bucket):
        """In a bucket too, and after a PUT was refused, erasing again finishes it."""
        api.unsubscribes = NINE
        land(self.lake, yesterday())
        land(self.lake)
        place = f"unsubscribes/dt={today()}/part-00000.parquet"
        bucket.fault = refusing(f"PUT /lake/{place}")
        with pytest.raises(OSError, match="Access Denied"):
            erase(open_destination(self.lake), [ZOE], [], NOW)
        bucket.fault = Request.answer

        (replaced,) = erase(open_destination(self.lake), [ZOE], [], NOW).files

        assert f"s3://lake/{place}" == replaced.uri
        for day in (yesterday(), today()):
            content = bucket[f"unsubscribes/dt={day}/part-00000.parquet"]
            receipt = json.loads(bucket[f"unsubscribes/_receipts/dt={day}.json"])
            assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
        assert not land(self.lake)["changed"]
