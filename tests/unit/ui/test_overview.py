"""What receipts say at a glance."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from mailpartner_provider.ui.overview import check, landing_of, overview_of, push_of
from tests.support.receipts import CHANGES, CONFIRMATION, PUSHED, RECEIPT


def look(*receipts, changes=(), now="2026-11-22T12:00:00"):
    at = datetime.fromisoformat(now).replace(tzinfo=timezone.utc)
    told = {each.source_uri: each for each in changes}
    landings = [landing_of(each, told.get(each.uri)) for each in receipts]
    return overview_of("/lake", "file:///lake", landings, ZoneInfo("Europe/Paris"), at)


def shrunk(before, rows, day="2026-11-22"):
    """Return the receipt of a list that was longer before."""
    return replace(RECEIPT, snapshot_date=day, previous_rows=before, rows=rows)


@pytest.mark.parametrize(
    ("now", "state", "verdict"),
    [
        ("2026-11-21T23:00:00", "landed", "Landed today, Sunday 22 November"),
        ("2026-11-22T22:59:59", "landed", "Landed today, Sunday 22 November"),
        (
            "2026-11-22T23:00:00",
            "due",
            "Not landed today, Monday 23 November in Europe/Paris; the last landing was yesterday",
        ),
        (
            "2026-11-23T23:00:00",
            "late",
            "Not landed today, Tuesday 24 November in Europe/Paris; "
            "the last landing was 2 days ago",
        ),
    ],
)
def test_verdict(now, state, verdict):
    """A destination is landed while its last day is today, in its own zone; then it is due, and a
    day later it is late."""
    overview = look(RECEIPT, now=now)

    assert (state, verdict) == (overview.state, overview.verdict)


def test_nothing_landed():
    """A destination without receipts is late, and has nothing to show."""
    overview = look()

    assert ("late", "Nothing landed yet", ()) == (*overview[2:4], overview.landings)


@pytest.mark.parametrize(
    ("before", "rows", "state"),
    [
        (10, 6, "shrunk"),
        (10, 9, "landed"),
        (10, 8, "shrunk"),
        (0, 0, "landed"),
        (None, 1, "landed"),
    ],
)
def test_shrunk(before, rows, state):
    """A list that lost more than a tenth is no landing like others, and the verdict says so."""
    overview = look(shrunk(before, rows))

    assert state == overview.state
    lost = f"On 2026-11-22 the list lost {100 * (before - rows) // before if before else 0} %"
    assert (state == "shrunk") == (f"{lost}, from {before} to {rows}" in overview.verdict)


@pytest.mark.parametrize(("day", "state"), [("2026-11-16", "shrunk"), ("2026-11-15", "landed")])
def test_shrunk_lately(day, state):
    """It stays so for a week, whatever the days after it bring."""
    assert state == look(RECEIPT, shrunk(10, 6, day)).state


def test_late_and_shrunk():
    """The worse state wins, and the verdict says both."""
    overview = look(shrunk(10, 6), now="2026-11-25T12:00:00")

    assert "late" == overview.state
    assert "3 days ago. On 2026-11-22 the list lost 40 %, from 10 to 6" in overview.verdict


def test_future():
    """A landing that a wrong clock dated a year ahead is named, and hides nothing."""
    overview = look(
        replace(RECEIPT, snapshot_date="2027-11-22"), RECEIPT, now="2026-11-25T12:00:00"
    )

    assert ("late", [date(2026, 11, 22)]) == (
        overview.state,
        [each.day for each in overview.landings],
    )
    assert ["_receipts/dt=2027-11-22.json: it is of a day in the future: delete it"] == overview.odd


def test_gaps():
    """Days without a landing are counted after the day before them, until yesterday."""
    days = ["2026-11-22", "2026-11-21", "2026-11-18"]
    overview = look(
        *(replace(RECEIPT, snapshot_date=day) for day in days), now="2026-11-25T12:00:00"
    )

    assert {date(2026, 11, 22): 2, date(2026, 11, 18): 2} == overview.gaps


@pytest.mark.parametrize(
    "odd",
    [
        {"timezone": "Mars"},
        {"timezone": None},
        {"observed_at": "soon"},
        {"observed_at": 5},
        {"previous_rows": "many"},
        {"previous_snapshot_date": "yesterday"},
        {"duration_seconds": "long"},
        {"rejected": None},
        {"uri": ["a"]},
    ],
)
def test_odd(odd):
    """A receipt that holds something else than receipts do is found out before it is shown."""
    check(RECEIPT)
    check(CHANGES)
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError, OSError)):
        check(replace(RECEIPT, **odd))


@pytest.mark.parametrize("odd", [{"added": None}, {"source_uri": None}, {"removed": "x"}])
def test_odd_changes(odd):
    """So is a receipt of changes."""
    with pytest.raises((ValueError, TypeError)):
        check(replace(CHANGES, **odd))


def test_numbers():
    """A landing is compared with the snapshot that its receipt names, and with its changes."""
    (landing,) = look(replace(RECEIPT, rows=10, previous_rows=7), changes=[CHANGES]).landings

    assert (date(2026, 11, 22), "live", 10, 3) == landing[:4]
    assert (4, 1, 1) == (landing.added, landing.removed, landing.rejected)
    assert 2.345 == landing.duration_seconds
    assert "2026-11-22 05:00" == f"{landing.observed_at:%Y-%m-%d %H:%M}"


def test_without_changes():
    """Without changes only the difference is known, and before the first snapshot nothing."""
    elsewhere = replace(CHANGES, source_uri="file:///other/dt=2026-11-22/part-00000.parquet")
    (landing,) = look(RECEIPT, changes=[elsewhere]).landings
    (first,) = look(replace(RECEIPT, previous_rows=None)).landings

    assert (0, None, None) == (landing.net, landing.added, landing.removed)
    assert None is first.net


def test_first_changes():
    """The first changes are the whole list, and nobody was added on that day."""
    (landing,) = look(RECEIPT, changes=[replace(CHANGES, previous_snapshot_date=None)]).landings

    assert (None, None) == (landing.added, landing.removed)


class TestPushes:
    def test_numbers(self):
        """A push is summarised: people that are on the list already, by the snapshot or by the
        API, are one number, and the confirmation stands beside it."""
        push = push_of(PUSHED.as_dict(), CONFIRMATION.as_dict(), "/dags/d")

        assert (date(2026, 11, 22), 40, 9, 30, 1) == push[:5]
        assert (29, 1, date(2026, 11, 23), "/dags/d") == push[5:]

    def test_unconfirmed(self):
        """Without a confirmation, nobody is confirmed or missing."""
        assert (None, None, None) == push_of(PUSHED.as_dict())[5:8]

    @pytest.mark.parametrize(
        "odd", [{"added": "many"}, {"given": None}, {"push_date": 5}, {"push_date": "soon"}]
    )
    def test_odd(self, odd):
        """A receipt with something else than a push is found out before it is shown."""
        with pytest.raises((ValueError, TypeError)):
            push_of(PUSHED.as_dict() | odd)

    @pytest.mark.parametrize("odd", [{}, {**CONFIRMATION.as_dict(), "missing": "some"}])
    def test_odd_confirmation(self, odd):
        """So is a confirmation."""
        with pytest.raises((ValueError, LookupError)):
            push_of(PUSHED.as_dict(), odd)

    def test_only_pushes(self):
        """A destination that only has pushes is not late."""
        push = push_of(PUSHED.as_dict())
        at = datetime(2026, 11, 25, tzinfo=timezone.utc)

        overview = overview_of("/p", "file:///p", [], ZoneInfo("UTC"), at, pushes=[push])

        assert ("pushed", "Last push on 2026-11-22: 30 added") == overview[2:4]

    def test_beside_landings(self):
        """Pushes do not change the state of landings."""
        push = push_of(PUSHED.as_dict(), CONFIRMATION.as_dict())
        at = datetime(2026, 11, 25, tzinfo=timezone.utc)

        landed = overview_of(
            "/p", "file:///p", [landing_of(RECEIPT)], ZoneInfo("UTC"), at, pushes=[push]
        )

        assert "late" == landed.state
        assert [push] == landed.pushes
