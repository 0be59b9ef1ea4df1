"""Two tasks that write into one destination at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from mailpartner_provider.errors import BadData
from tests.support.days import midnight, tomorrow
from tests.support.landing import land
from tests.support.meetings import WALKS, parameters, walk
from tests.support.processes import landing, travel
from tests.support.races import ONE, OTHER, land_beside, reconciled, seen
from tests.support.walk import TERMS

#: Long enough for a landing that nothing holds up; one that waits for a lock waits on.
A_WHILE_SECONDS = 0.5

pytestmark = pytest.mark.usefixtures("forks", "temporary")


@pytest.mark.usefixtures("ready_locks")
@pytest.mark.parametrize("case", parameters(WALKS))
def test_meetings(place, case, meeting_stride, count_meetings):
    """Two writers that meet at any pair of their steps leave the newest list, whole, with manifests
    that are its own, so that landing it again changes nothing."""
    count_meetings(walk(place, case, meeting_stride))


@pytest.fixture
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

    def test_by_a_failure(self, lake, lists, stride):
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
