"""Two landings of the same day at once: one of the two lists stands whole, and says so."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, time, timedelta
from functools import partial
from itertools import count

import pytest

from mailpartner_provider.errors import BadData
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import StandIn
from tests.campaigns.crash.processes import PATIENCE_SECONDS, landing, travel
from tests.campaigns.crash.test_walk import BAD, OLD, PARTITION, RECEIPT, TERMS, each_or_every
from tests.conftest import PARIS, THREE, TODAY, connect, land, listing, operator
from tests.support.bucket import Request
from tests.support.places import Folder

ANY_SIZE = {**TERMS, "snapshot_date": str(TODAY)}
TOMORROW = partial(travel, datetime.combine(TODAY + timedelta(days=1), time(0, 30), PARIS))

#: Long enough for a landing that nothing holds up; one that waits for a lock waits on.
A_WHILE_SECONDS = 0.5


@pytest.fixture
def api(api):
    """The API of one of the two."""
    api.unsubscribes = OLD
    return api


@pytest.fixture
def other(monkeypatch):
    """The API of the other, and a connection to it."""
    with StandIn([*THREE, BAD]) as api:
        connect(monkeypatch, api, conn_id="other")
        yield api


@pytest.fixture
def lists(api, other, tmp_path):
    """What a warehouse sees of either list."""
    seen = []
    for conn_id in ("mailpartner_default", "other"):
        place = Folder(tmp_path / conn_id)
        land(place.destination, mailpartner_conn_id=conn_id, **ANY_SIZE)
        seen.append(place.opt_outs())
    return seen


def reconciled(place):
    """Return the receipt of the day; check that it matches the partition and the quarantine."""
    files = place.files()
    receipt = json.loads(files[RECEIPT])
    assert receipt["sha256"] == hashlib.sha256(files[PARTITION]).hexdigest()
    assert receipt["rejected"] == sum(name.startswith("_rejected/") for name in files)
    assert 2 + bool(receipt["rejected"]) == len(files)
    return receipt


class TestOvertaken:
    """A landing stands still at one of its steps while another one lands, then goes on."""

    @each_or_every(7)
    @pytest.mark.parametrize("before", [False, True], ids=["first", "replacing"])
    def test_folder(self, api, other, folder, lists, before, stride):
        """In a folder one of the two lists stands whole, and the receipt is its own."""
        for number in count(stride, stride):
            folder.restore({})
            if before:
                land(folder.destination, **ANY_SIZE)
            with (
                landing(folder.destination, stand_at=number, **ANY_SIZE) as process,
                ThreadPoolExecutor() as pool,
            ):
                if not process.stands():
                    assert 0 == process.end()
                    break
                overtaking = pool.submit(
                    land_beside, folder.destination, mailpartner_conn_id="other", **ANY_SIZE
                )
                wait([overtaking], A_WHILE_SECONDS)
                process.go_on()
                assert 0 == process.end()
                overtaking.result()

            assert folder.opt_outs() in lists
            reconciled(folder)

    @each_or_every(7)
    def test_by_a_failure(self, api, other, folder, stride):
        """A landing that fails and leaves nothing takes no folder away from one that succeeds."""
        for number in count(stride, stride):
            folder.restore({})
            with landing(folder.destination, stand_at=number, **ANY_SIZE) as process:
                if not process.stands():
                    assert 0 == process.end()
                    break
                with pytest.raises(BadData):
                    land(folder.destination, mailpartner_conn_id="other", max_shrink=None)
                process.go_on()

                assert 0 == process.end()
            reconciled(folder)

    @each_or_every(4)
    @pytest.mark.parametrize("before", [False, True], ids=["first", "replacing"])
    def test_bucket(self, api, other, bucket_folder, lists, before, stride):
        """In a bucket, which has no locks, one of the two lists stands whole; where the receipt is
        that of the other, the next landing mends it."""
        bucket = bucket_folder.bucket
        for number in count(stride, stride):
            bucket_folder.restore({})
            if before:
                land(bucket_folder.destination, **ANY_SIZE)
            stands, go_on = threading.Event(), threading.Event()
            bucket.fault = standing(number, stands, go_on)
            with ThreadPoolExecutor() as pool:
                overtaken = pool.submit(land_beside, bucket_folder.destination, **ANY_SIZE)
                while not stands.wait(0.01) and not overtaken.done():
                    pass
                if not stands.is_set():
                    break
                land(bucket_folder.destination, mailpartner_conn_id="other", **ANY_SIZE)
                go_on.set()
                overtaken.result()
            bucket.fault = Request.answer

            assert bucket_folder.opt_outs() in lists
            land(bucket_folder.destination, **ANY_SIZE)
            assert lists[0] == bucket_folder.opt_outs()
            reconciled(bucket_folder)


class TestMidnight:
    """A landing of the day itself and one of the day after, which is backdated, run at once."""

    @each_or_every(7)
    @pytest.mark.parametrize("late_one_stands", [True, False])
    def test_live_stays(self, api, other, folder, lists, late_one_stands, stride):
        """Whoever is overtaken at whichever step, the live snapshot stands."""
        for number in count(stride, stride):
            folder.restore({})
            late = {"mailpartner_conn_id": "other", "prepare": TOMORROW, **ANY_SIZE}
            one, two = (late, ANY_SIZE) if late_one_stands else (ANY_SIZE, late)
            with (
                landing(folder.destination, stand_at=number, **one) as process,
                landing(folder.destination, **two) as overtaking,
            ):
                if not process.stands():
                    assert 0 == process.end() == overtaking.end()
                    break
                overtaking.end(A_WHILE_SECONDS)
                process.go_on()
                assert 0 == process.end() == overtaking.end()

            assert lists[0] == folder.opt_outs()
            assert "live" == reconciled(folder)["status"]

    @each_or_every(7)
    def test_killed_before(self, api, other, folder, lists, stride):
        """What a live landing that was killed has left without its receipt does not stay so, even
        if the next landing of the day is backdated."""
        for number in count(stride, stride):
            folder.restore({})
            land(folder.destination, **ANY_SIZE)
            with landing(
                folder.destination, stand_at=number, mailpartner_conn_id="other", **ANY_SIZE
            ) as process:
                if not process.stands():
                    break
                process.kill()
                process.end()
            with landing(folder.destination, prepare=TOMORROW, **ANY_SIZE) as process:
                assert 0 == process.end()

            assert folder.opt_outs() in lists
            reconciled(folder)


@pytest.mark.parametrize("round_", range(3))
def test_neck_and_neck(api, other, place, lists, round_):
    """Landings in many threads and processes whose answers end at the same moment leave one of the
    two lists whole; in a folder the receipt is its own."""
    runners = 4
    line = threading.Barrier(runners)

    def answer(unsubscribes):
        def pieces():
            body = json.dumps(listing(unsubscribes)).encode()
            yield body[:-1]
            line.wait(PATIENCE_SECONDS)
            yield body[-1:]

        return Answer(pieces())

    api.script(*[answer(OLD) for _ in range(2)])
    other.script(*[answer([*THREE, BAD]) for _ in range(2)])
    with (
        ThreadPoolExecutor() as pool,
        landing(place.destination, **ANY_SIZE) as one,
        landing(place.destination, mailpartner_conn_id="other", **ANY_SIZE) as two,
    ):
        threads = [
            pool.submit(land_beside, place.destination, mailpartner_conn_id=conn_id, **ANY_SIZE)
            for conn_id in ("mailpartner_default", "other")
        ]
        assert 0 == one.end() == two.end()
        for thread in threads:
            thread.result()

    assert place.opt_outs() in lists
    if place.destination.startswith("s3:"):
        land(place.destination, **ANY_SIZE)
    reconciled(place)


def land_beside(destination, **arguments):
    """Land in a thread; Airflow 2's wrapper of ``execute`` works in the first thread only."""
    task = operator(destination, **arguments)
    return inspect.unwrap(type(task).execute)(task, {})


def standing(number, stands, go_on):
    """Delay the answer to the n-th request until ``go_on`` is set."""
    numbers = count(1)

    def fault(request):
        if next(numbers) == number:
            stands.set()
            go_on.wait(PATIENCE_SECONDS)
        return request.answer()

    return fault
