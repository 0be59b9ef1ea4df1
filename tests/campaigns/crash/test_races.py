"""Two landings of the same day at once: one of the two lists stands whole, and says so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from mailpartner_provider.errors import BadData
from tests.support.bucket import Request
from tests.support.days import midnight, tomorrow
from tests.support.landing import land
from tests.support.processes import landing, travel
from tests.support.races import ONE, OTHER, land_beside, reconciled, seen
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.walk import TERMS

#: Long enough for a landing that nothing holds up; one that waits for a lock waits on.
A_WHILE_SECONDS = 0.5

pytestmark = pytest.mark.usefixtures("forks", "temporary")


@pytest.fixture(autouse=True)
def lists(api, other_api, tmp_path):
    """What a warehouse sees of either list."""
    api.unsubscribes, other_api.unsubscribes = ONE, OTHER
    return seen(tmp_path)


class TestOvertaken:
    """A landing stands still at one of its steps while another one lands, then goes on."""

    @pytest.mark.parametrize("before", [False, True], ids=["first", "replacing"])
    def test_folder(self, lake, lists, before, stride):
        """In a folder one of the two lists stands whole, and the receipt is its own."""
        for number in count(stride, stride):
            lake.restore({})
            if before:
                land(lake.destination, **TERMS)
            with (
                landing(lake.destination, stand_at=number, **TERMS) as process,
                ThreadPoolExecutor() as pool,
            ):
                if not process.stands():
                    assert 0 == process.end()
                    break
                overtaking = pool.submit(
                    land_beside, lake.destination, mailpartner_conn_id="other", **TERMS
                )
                wait([overtaking], A_WHILE_SECONDS)
                process.go_on()
                assert 0 == process.end()
                overtaking.result()

            assert lake.opt_outs() in lists
            reconciled(lake)

    def test_by_a_failure(self, lake, stride):
        """A landing that fails and leaves nothing takes no folder away from one that succeeds."""
        for number in count(stride, stride):
            lake.restore({})
            with landing(lake.destination, stand_at=number, **TERMS) as process:
                if not process.stands():
                    assert 0 == process.end()
                    break
                with pytest.raises(BadData):
                    land(lake.destination, mailpartner_conn_id="other", max_shrink=None)
                process.go_on()

                assert 0 == process.end()
            reconciled(lake)

    @pytest.mark.parametrize("before", [False, True], ids=["first", "replacing"])
    def test_bucket(self, bucket_lake, lists, before, stride):
        """In a bucket, which has no locks, one of the two lists stands whole; where the receipt is
        that of the other, the next landing mends it."""
        bucket = bucket_lake.bucket
        for number in count(stride, stride):
            bucket_lake.restore({})
            if before:
                land(bucket_lake.destination, **TERMS)
            stands, go_on = threading.Event(), threading.Event()
            bucket.fault = standing(number, stands, go_on)
            with ThreadPoolExecutor() as pool:
                overtaken = pool.submit(land_beside, bucket_lake.destination, **TERMS)
                while not stands.wait(0.01) and not overtaken.done():
                    pass
                if not stands.is_set():
                    break
                land(bucket_lake.destination, mailpartner_conn_id="other", **TERMS)
                go_on.set()
                overtaken.result()
            bucket.fault = Request.answer

            assert bucket_lake.opt_outs() in lists
            land(bucket_lake.destination, **TERMS)
            assert lists[0] == bucket_lake.opt_outs()
            reconciled(bucket_lake)


class TestMidnight:
    """A landing of the day itself and one of the day after, which is backdated, run at once."""

    @pytest.mark.parametrize("late_one_stands", [True, False])
    def test_live_stays(self, lake, lists, late_one_stands, stride):
        """Whichever of the two is overtaken, and at whichever step, the live snapshot stays."""
        for number in count(stride, stride):
            lake.restore({})
            late = {"mailpartner_conn_id": "other", "prepare": tomorrow_morning(), **TERMS}
            one, two = (late, TERMS) if late_one_stands else (TERMS, late)
            with (
                landing(lake.destination, stand_at=number, **one) as process,
                landing(lake.destination, **two) as overtaking,
            ):
                if not process.stands():
                    assert 0 == process.end() == overtaking.end()
                    break
                overtaking.end(A_WHILE_SECONDS)
                process.go_on()
                assert 0 == process.end() == overtaking.end()

            assert lists[0] == lake.opt_outs()
            assert "live" == reconciled(lake)["status"]

    def test_killed_before(self, lake, lists, stride):
        """What a live landing that was killed has left without its receipt may be the only live
        copy: a backdated landing keeps it, or fails; the next live one repairs it."""
        for number in count(stride, stride):
            lake.restore({})
            land(lake.destination, **TERMS)
            with landing(
                lake.destination, stand_at=number, mailpartner_conn_id="other", **TERMS
            ) as process:
                if not process.stands():
                    break
                process.kill()
                process.end()
            left = lake.opt_outs()
            with landing(lake.destination, prepare=tomorrow_morning(), **TERMS) as process:
                process.end()
            assert left == lake.opt_outs()
            assert left in lists

            land(lake.destination, **TERMS)
            assert lists[0] == lake.opt_outs()
            reconciled(lake)


def tomorrow_morning():
    """Return what sets the clock of a process to the day after."""
    return partial(travel, midnight(tomorrow()) + timedelta(minutes=30))


def standing(number, stands, go_on):
    """Return a fault that holds back the answer to the n-th request."""
    numbers = count(1)

    def fault(request):
        if next(numbers) == number:
            stands.set()
            go_on.wait(PATIENCE_SECONDS)
        return request.answer()

    return fault
