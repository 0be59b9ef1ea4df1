"""A landing is killed (SIGKILL) at each of its steps; the destination is always old or new."""

from __future__ import annotations

import signal
from functools import partial
from itertools import count

import pytest

from tests.support.days import yesterday
from tests.support.front import Request, killing
from tests.support.lake import partition_name, receipt_name
from tests.support.landing import land
from tests.support.processes import landing, write_at_most
from tests.support.walk import OLD, Case


def test_steps(walk, store_stride):
    """A landing survives a kill at any of its steps on this machine: before every n-th thing that
    it does to a file or to the network."""
    for number in count(store_stride, store_stride):
        walk.begin()
        with walk.landing(stand_at=number) as process:
            if not process.stands():
                assert 0 == process.end()
                break
            process.kill()
            assert -signal.SIGKILL == process.end()
        walk.check()


def test_requests(walk, store_stride):
    """A landing in an object store survives a kill at any of its requests, before the store has
    received it or after the store has done what was asked."""
    if walk.store.kind == "folder":
        pytest.skip("a folder is asked nothing")
    front = walk.store.front
    for number in count(store_stride, store_stride):
        walk.begin()
        with walk.landing() as process:
            front.fault = killing(process, number)
            exit_code = process.end()
        front.fault = Request.answer
        if exit_code == 0:
            break
        assert -signal.SIGKILL == exit_code
        walk.check()


@pytest.mark.usefixtures("forks", "temporary")
class TestBackfill:
    """A backfill that is killed anywhere is landed by its next try: no human has to help."""

    def test_folder(self, api, lake, stride):
        """It is killed at any of its steps."""
        for number in count(stride, stride):
            lake.restore({})
            with landing(
                lake.destination, stand_at=number, snapshot_date=str(yesterday())
            ) as process:
                if not process.stands():
                    assert 0 == process.end()
                    break
                process.kill()
                process.end()
            self.check(lake)

    def test_bucket(self, api, bucket_lake, stride):
        """It is killed before or after any of its requests."""
        bucket = bucket_lake.bucket
        for number in count(stride, stride):
            bucket_lake.restore({})
            with landing(bucket_lake.destination, snapshot_date=str(yesterday())) as process:
                bucket.fault = killing(process, number)
                exit_code = process.end()
            bucket.fault = Request.answer
            if exit_code == 0:
                break
            self.check(bucket_lake)

    @staticmethod
    def check(store):
        receipt = land(store, yesterday())
        assert "backdated" == receipt["status"]
        assert receipt == store.receipt(yesterday())
        assert {partition_name(yesterday()), receipt_name(yesterday())} == store.files().keys()


def test_writes(walk, store_stride):
    """A landing survives a kill in the middle of any write on this machine."""
    walk_writes(walk, range(0, 10_000, 100 * store_stride))


@pytest.mark.parametrize("place", ["folder", "s3"], indirect=True)
def test_writes_of_long_list(place, walks, stride):
    """A landing survives a kill in the middle of any of the row groups of a long list."""
    people = [{"id": key, "email": f"{key * 7919}@example.com"} for key in range(300_000)]
    walk_writes(walks(place, Case(OLD, people)), range(0, 10_000_000, 250_000 * stride))


def walk_writes(walk, sizes):
    """Kill the landing in the write that makes a file longer than each of these sizes."""
    for size in sizes:
        walk.begin()
        with walk.landing(prepare=partial(write_at_most, size)) as process:
            exit_code = process.end()
        if exit_code == 0:
            return
        assert -signal.SIGXFSZ == exit_code
        walk.check()
    raise AssertionError("no landing came to its end")
