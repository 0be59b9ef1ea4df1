"""A landing is killed (SIGKILL) at each of its steps; the destination is always old or new."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import pytest

from tests.campaigns.crash.processes import landing, write_at_most
from tests.conftest import THREE, TODAY, YESTERDAY, land
from tests.support.bucket import Request

PARTITION = f"dt={TODAY}/part-00000.parquet"
RECEIPT = f"_receipts/dt={TODAY}.json"
QUARANTINE = f"_rejected/dt={TODAY}.jsonl"

#: A made-up list that shares nobody with ``THREE``, and a record that cannot be a row.
OLD = [{"id": key, "email": f"{key}@example.com"} for key in (1, 2)]
BAD = {"id": 21}
TERMS = {"max_rejected": 1, "max_shrink": None}


class Case(NamedTuple):
    """What was landed today before, if anything, and what is to be landed now."""

    before: list[dict[str, Any]] | None
    now: list[dict[str, Any]]


CASES = {
    "first": Case(None, THREE),
    "replacing": Case(OLD, THREE),
    "quarantine": Case(OLD, [*THREE, BAD]),
    "no more quarantine": Case([*OLD, BAD], THREE),
}


class Walk:
    """One case in one place, from the same start again and again."""

    def __init__(self, api, place, temporary, case, figures):
        self.api, self.place, self.temporary, self.figures = api, place, temporary, figures
        self.case = case
        if case.before is not None:
            self._land(OLD, YESTERDAY)
            self._land(case.before)
        self.before = place.files()
        self._was = place.opt_outs()
        self._land(case.now)
        self._is = place.opt_outs()
        self._names = set(place.files())
        self.begin()

    def begin(self):
        self.place.restore(self.before)
        self.api.unsubscribes = self.case.now

    def landing(self, **how):
        return landing(self.place.destination, snapshot_date=str(TODAY), **TERMS, **how)

    def survived(self):
        """A warehouse sees the old partition whole or the new one; the next run lands the new one,
        with a receipt that is its own, and leaves nothing else."""
        self.figures["kills"] += 1
        assert self.place.opt_outs() in (self._was, self._is)
        declared = self.place.files().get(RECEIPT)

        receipt = self._land(self.case.now)

        files = self.place.files()
        assert receipt["changed"] is (
            declared is None or json.loads(declared)["sha256"] != receipt["sha256"]
        )
        assert self._is == self.place.opt_outs()
        assert receipt == json.loads(files[RECEIPT])
        assert receipt["sha256"] == hashlib.sha256(files[PARTITION]).hexdigest()
        assert receipt["declared"] == receipt["rows"] + receipt["rejected"]
        assert self._names == set(files)
        assert [] == list(self.temporary.iterdir())
        self.figures["survived"] += 1

    def _land(self, unsubscribes, day=TODAY):
        self.api.unsubscribes = unsubscribes
        return land(self.place.destination, snapshot_date=str(day), **TERMS)


@pytest.fixture(params=CASES.values(), ids=CASES)
def folder_walk(request, api, folder, temporary, figures):
    """Each case in a local folder."""
    return Walk(api, folder, temporary, request.param, figures)


@pytest.fixture(params=CASES.values(), ids=CASES)
def bucket_walk(request, api, bucket_folder, temporary, figures):
    """Each case in a bucket."""
    return Walk(api, bucket_folder, temporary, request.param, figures)


def each_or_every(nth: int):
    """Take every n-th step, or with ``make crash`` each one."""
    return pytest.mark.parametrize(
        "stride", [pytest.param(nth, id="some"), pytest.param(1, id="all", marks=pytest.mark.crash)]
    )


def walk_steps(walk, stride):
    """Kill the landing before every n-th thing that it does to a file or to the network."""
    for number in count(stride, stride):
        walk.begin()
        with walk.landing(stand_at=number) as process:
            if not process.stands():
                assert 0 == process.end()
                break
            process.kill()
            assert -signal.SIGKILL == process.end()
        walk.survived()


@each_or_every(6)
def test_folder(folder_walk, stride):
    """A landing in a folder survives a kill at any of its steps."""
    walk_steps(folder_walk, stride)


@pytest.mark.crash
def test_bucket(bucket_walk):
    """A landing in a bucket survives a kill at any of its steps on this machine."""
    walk_steps(bucket_walk, 1)


@each_or_every(6)
def test_requests(bucket_walk, stride):
    """A landing in a bucket survives a kill at any of its requests, before the store has heard it
    or after the store has done what was asked."""
    bucket = bucket_walk.place.bucket
    for number in count(stride, stride):
        bucket_walk.begin()
        with bucket_walk.landing() as process:
            bucket.fault = killing(process, number)
            exit_code = process.end()
        bucket.fault = Request.answer
        if exit_code == 0:
            break
        assert -signal.SIGKILL == exit_code
        bucket_walk.survived()


def killing(process, moment):
    """Kill the process that asks, at a moment: before request 1, after it, before request 2, ..."""
    moments = count(1)

    def fault(request):
        if next(moments) == moment:
            process.kill()
            raise ConnectionError
        answer = request.answer()
        if next(moments) == moment:
            process.kill()
        return answer

    return fault


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_answer(api, place, temporary, figures, share):
    """A landing survives a kill while the answer arrives."""
    walk = Walk(api, place, temporary, CASES["replacing"], figures)
    with walk.landing(stand_at=1) as process:
        assert process.stands()

        def fault(answer):
            whole = answer.whole()

            def pieces():
                yield whole[: int(share * len(whole))]
                process.kill()

            return replace(answer, body=pieces())

        walk.api.script(fault)
        process.go_on()
        assert -signal.SIGKILL == process.end()
    walk.survived()


@each_or_every(12)
def test_writes(folder_walk, stride):
    """A landing in a folder survives a kill in the middle of any write."""
    walk_writes(folder_walk, range(0, 10_000, 100 * stride))


@pytest.mark.crash
def test_writes_for_bucket(bucket_walk):
    """A landing in a bucket survives a kill in the middle of any write on this machine."""
    walk_writes(bucket_walk, range(0, 10_000, 100))


@pytest.mark.crash
def test_writes_of_long_list(api, place, temporary, figures):
    """A landing survives a kill in the middle of any of the row groups of a long list."""
    people = [{"id": key, "email": f"{key * 7919}@example.com"} for key in range(300_000)]
    walk = Walk(api, place, temporary, Case(OLD, people), figures)
    walk_writes(walk, range(0, 10_000_000, 250_000))


def walk_writes(walk, sizes):
    """Kill the landing in the write that makes a file longer than each of these sizes."""
    for size in sizes:
        walk.begin()
        with walk.landing(prepare=partial(write_at_most, size)) as process:
            exit_code = process.end()
        if exit_code == 0:
            return
        assert -signal.SIGXFSZ == exit_code
        walk.survived()
    raise AssertionError("no landing came to its end")
