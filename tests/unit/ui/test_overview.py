"""What receipts say at a glance."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone

import pytest

from mailpartner_provider.ui.overview import overview_of
from tests.support.receipts import CHANGES, RECEIPT


def look(*receipts, changes=(), now="2026-11-22T12:00:00"):
    at = datetime.fromisoformat(now).replace(tzinfo=timezone.utc)
    told = {each.source_uri: each for each in changes}
    return overview_of("/lake", "file:///lake", receipts, told, at)


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

    assert ("late", "Nothing landed yet", []) == overview[2:]


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
