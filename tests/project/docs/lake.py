"""Six weeks of a made-up suppression list, landed day by day, to ask questions of."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from mailpartner_provider.testing.lists import make_unsubscribes
from mailpartner_provider.testing.server import StandIn
from tests.support.days import PARIS
from tests.support.landing import land

FIRST, LAST = date(2026, 10, 12), date(2026, 11, 22)
NOT_LANDED = date(2026, 11, 1)
LANDED_LATE = date(2026, 10, 27)
SPIKE, CLEARED = date(2026, 11, 12), date(2026, 11, 18)
CLAIRE = "claire@atelier.example"


def make_lake(root: Path) -> None:
    """Land the list of every day but one, and what changed since the last live one."""
    draw = random.Random(7)
    with StandIn(_before(FIRST)) as api, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)
        for day in _days():
            _live_through(day, api, draw)
            if day != NOT_LANDED:
                _land(root, day)


def _land(root: Path, day: date) -> None:
    with time_machine.travel(_landed_at(day), tick=False):
        land(root / "unsubscribes", snapshot_date=day.isoformat())
        with suppress(AirflowSkipException):  # of the day that was landed late
            _changes(root, day).execute({})


def _landed_at(day: date) -> datetime:
    """Return the evening of the day; for the day that was landed late, the night after it."""
    return datetime.combine(day, time(23), PARIS) + timedelta(hours=3) * (day == LANDED_LATE)


def _changes(root: Path, day: date) -> UnsubscribeChangesOperator:
    return UnsubscribeChangesOperator(
        task_id="changes",
        source=str(root / "unsubscribes"),
        destination=str(root / "unsubscribe_changes"),
        snapshot_date=day.isoformat(),
    )


def _days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def _before(day: date) -> list[dict[str, Any]]:
    last = datetime.combine(day, time())
    return list(make_unsubscribes(2000, first=last - timedelta(days=730), last=last))


def _live_through(day: date, api: StandIn, draw: random.Random) -> None:
    """Add opt-outs, more of them on weekdays; remove a few; Claire leaves and comes back."""
    count = draw.randint(2, 6) + 5 * (day.weekday() < 5) + 30 * (day == SPIKE)
    seconds = sorted(draw.randrange(6 * 3600, 23 * 3600) for _ in range(count))
    for second in seconds:
        at = datetime.combine(day, time()) + timedelta(seconds=second)
        api.add(f"reader{draw.randrange(10**6)}@{draw.choice(_DOMAINS)}", str(at))
    gone = draw.choice([0, 0, 1, 2]) + 20 * (day == CLEARED)
    for record in draw.sample(list(api.unsubscribes), gone):
        api.remove(record["id"])
    if day in (date(2026, 10, 14), date(2026, 11, 4)):
        api.add(CLAIRE, f"{day} 09:00:00")
    elif day == date(2026, 10, 22):
        api.remove(next(each["id"] for each in api.unsubscribes if each["email"] == CLAIRE))


_DOMAINS = ["example.com"] * 9 + ["example.fr"] * 6 + ["atelier.example", "mairie.example"]
