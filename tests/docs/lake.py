"""Six weeks of a made-up suppression list, landed day by day, to ask questions of."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import time_machine

from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from mailpartner_provider.testing.lists import make_unsubscribes
from mailpartner_provider.testing.server import StandIn
from tests.conftest import PARIS, land

FIRST, LAST = date(2026, 10, 12), date(2026, 11, 22)
NOT_LANDED = date(2026, 11, 1)
SPIKE = date(2026, 11, 12)
ANNE = "anne.martin@example.com"


def make_lake(api: StandIn, root: Path) -> None:
    """Land the list of every day but one, and what changed since the day before."""
    draw = random.Random(7)
    api.unsubscribes = _before(FIRST)
    for day in _days():
        _live_through(day, api, draw)
        if day != NOT_LANDED:
            with time_machine.travel(datetime.combine(day, time(23), PARIS), tick=False):
                land(root / "unsubscribes", snapshot_date=day.isoformat())
                _changes(root, day).execute({})


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
    """Let people opt out, some more on weekdays; remove a few; have Anne leave and come back."""
    count = draw.randint(2, 6) + 5 * (day.weekday() < 5) + 70 * (day == SPIKE)
    seconds = sorted(draw.randrange(6 * 3600, 23 * 3600) for _ in range(count))
    for second in seconds:
        at = datetime.combine(day, time()) + timedelta(seconds=second)
        api.add(f"reader{draw.randrange(10**6)}@{draw.choice(_DOMAINS)}", str(at))
    for record in draw.sample(list(api.unsubscribes), draw.choice([0, 0, 1, 2])):
        api.remove(record["id"])
    if day in (date(2026, 10, 14), date(2026, 11, 4)):
        api.add(ANNE, f"{day} 09:00:00")
    elif day == date(2026, 10, 22):
        api.remove(next(each["id"] for each in api.unsubscribes if each["email"] == ANNE))


_DOMAINS = ["example.com"] * 9 + ["example.fr"] * 6 + ["atelier.example", "mairie.example"]
