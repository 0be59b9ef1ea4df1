"""Erasing people from a bucket."""

from __future__ import annotations

import hashlib
import json

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
from tests.support.landing import land


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
