"""Landings of the same day that end at the same moment; ``make crash`` has them meet anywhere."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailpartner_provider.testing.answers import Answer
from tests.support.api import listing
from tests.support.landing import land
from tests.support.meetings import SOME_WALKS, parameters, walk
from tests.support.processes import landing
from tests.support.races import ONE, OTHER, land_beside, reconciled, seen
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.walk import TERMS

pytestmark = pytest.mark.usefixtures("forks", "temporary")


@pytest.mark.parametrize("round_", range(3))
def test_neck_and_neck(api, other_api, store, tmp_path, round_):
    """Landings in many threads and processes whose answers end at the same moment leave one of the
    two lists whole; in a folder the receipt is its own."""
    api.unsubscribes, other_api.unsubscribes = ONE, OTHER
    lists = seen(tmp_path)
    runners = 4
    line = threading.Barrier(runners)

    def answer(unsubscribes):
        def pieces():
            body = json.dumps(listing(unsubscribes)).encode()
            yield body[:-1]
            line.wait(PATIENCE_SECONDS)
            yield body[-1:]

        return Answer(pieces())

    api.script(*[answer(ONE) for _ in range(2)])
    other_api.script(*[answer(OTHER) for _ in range(2)])
    with (
        ThreadPoolExecutor() as pool,
        landing(store.destination, **TERMS) as one,
        landing(store.destination, mailpartner_conn_id="other", **TERMS) as two,
    ):
        threads = [
            pool.submit(land_beside, store, mailpartner_conn_id=conn_id, **TERMS)
            for conn_id in ("mailpartner_default", "other")
        ]
        assert 0 == one.end() == two.end()
        for thread in threads:
            thread.result()

    assert store.opt_outs() in lists
    if store.destination.startswith("s3:"):
        land(store, **TERMS)
    reconciled(store)


@pytest.mark.usefixtures("ready_locks")
@pytest.mark.parametrize("case", parameters(SOME_WALKS))
def test_meetings(place, case):
    """Two writers that meet at some pairs of their steps leave the newest list, whole, with
    manifests that are its own, so that landing it again changes nothing."""
    assert walk(place, case, every=25)
