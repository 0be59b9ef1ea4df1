"""A disk or a store that fails in the middle of a landing."""

from __future__ import annotations

import hashlib
import json
import resource
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tests.support.api import THREE
from tests.support.days import today
from tests.support.front import Request, first, throttling
from tests.support.lake import Lake, partition_name, quarantine_name, receipt_name
from tests.support.landing import land, operator
from tests.support.users import ordinary_user

IMPATIENT = "s3://impatient@lake/unsubscribes"


class TestDisk:
    def test_full_before_the_receipt(self, api, lake):
        """A disk without room for the receipt leaves the old partition, and is named."""
        land(lake)
        before = lake.files()
        api.unsubscribes = THREE[:2]
        ti = SimpleNamespace(dag_id="d" * 10_000, task_id="t", run_id="r", map_index=-1)

        with (
            no_file_over(10_000),
            pytest.raises(OSError, match=f"^cannot write scratch files in {lake}/"),
        ):
            operator(lake).execute({"ti": ti})

        assert before == lake.files()

    @pytest.mark.parametrize(
        ("read_only", "named"),
        [("lake", "lake"), ("lake/dt={day}", "lake/dt={day}/part-00000.parquet")],
    )
    def test_read_only(self, api, public, read_only, named):
        """A folder that cannot be written leaves the old partition, and is named."""
        lake = Lake(public / "lake")
        read_only, named = (each.format(day=today()) for each in (read_only, named))
        with ordinary_user():
            land(lake)
            before = lake.files()
            api.unsubscribes = THREE[:2]
            (public / read_only).chmod(0o555)

            with pytest.raises(OSError, match=f"^cannot write {public / named}: Permission denied"):
                land(lake)

            assert before == lake.files()
            (public / read_only).chmod(0o755)

    def test_cannot_be_made(self, api, public):
        """A folder that cannot be made is named."""
        public.chmod(0o555)

        with (
            ordinary_user(),
            pytest.raises(OSError, match=f"^cannot write {public}/lake: Permission denied"),
        ):
            land(public / "lake")


class TestStore:
    @pytest.fixture(autouse=True)
    def impatient(self, bucket, monkeypatch):
        """A connection to the bucket whose client leaves trying again to the file system."""
        connection = bucket.connection
        extra = {**connection["extra"], "config_kwargs": {"retries": {"max_attempts": 0}}}
        monkeypatch.setenv("AIRFLOW_CONN_IMPATIENT", json.dumps({**connection, "extra": extra}))

    @pytest.mark.parametrize("times", [1, 3])
    def test_throttled(self, api, bucket_lake, times):
        """A store that is asked too much at first gets the landing in the end."""
        land(IMPATIENT)
        api.unsubscribes = THREE[:2]
        bucket_lake.bucket.fault = first(times, throttling)

        receipt = land(IMPATIENT)

        stands = bucket_lake.files()
        assert receipt == json.loads(stands[receipt_name()])
        assert receipt["sha256"] == hashlib.sha256(stands[partition_name()]).hexdigest()

    @pytest.mark.parametrize("fault", [throttling, Request.hang_up])
    def test_for_good(self, api, bucket_lake, fault):
        """A store that never takes the partition keeps the old one, and is named in one line."""
        land(IMPATIENT)
        before = bucket_lake.files()
        api.unsubscribes = THREE[:2]
        key = bucket_lake.partition()
        bucket_lake.bucket.fault = first(10**6, fault, f"PUT /lake/{key}")

        with pytest.raises(OSError) as caught:
            land(IMPATIENT)

        assert str(caught.value).startswith(f"cannot write s3://lake/{key}: ")
        assert "\n" not in str(caught.value)
        assert before == bucket_lake.files()

    @pytest.mark.parametrize("name_of", [partition_name, quarantine_name, receipt_name])
    def test_lost_while_sending(self, api, bucket_lake, name_of):
        """A connection that is lost in the middle of an upload is made again, and all is sent."""
        land(IMPATIENT)
        api.unsubscribes = [*THREE[:2], {"id": 21}]
        asked = f"PUT /lake/unsubscribes/{name_of()}"
        bucket_lake.bucket.asked.clear()
        bucket_lake.bucket.fault = first(1, Request.hang_up, asked)

        receipt = land(IMPATIENT, max_rejected=1)

        stands = bucket_lake.files()
        assert 2 == bucket_lake.bucket.asked.count(asked)
        assert receipt == json.loads(stands[receipt_name()])
        assert receipt["sha256"] == hashlib.sha256(stands[partition_name()]).hexdigest()
        assert {"id": 21} == json.loads(stands[quarantine_name()])["record"]


@contextmanager
def no_file_over(size):
    """Limit the size of the files that this process can write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
