"""The days that tests land, in Paris; each is asked for within a test, never at import.

No test runs over midnight: the fixture ``within_a_day`` starts none shortly before it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def today() -> date:
    """Return the day that it is in Paris."""
    return datetime.now(PARIS).date()


def yesterday() -> date:
    """Return the day before today."""
    return days_ago(1)


def tomorrow() -> date:
    """Return the day after today."""
    return days_ago(-1)


def days_ago(days: int) -> date:
    """Return the day so many days before today."""
    return today() - timedelta(days=days)


def noon() -> datetime:
    """Return today's noon in Paris."""
    return datetime.combine(today(), time(12), PARIS)


def midnight(day: date, zone: tzinfo = PARIS) -> datetime:
    """Return the instant at which a day begins."""
    return datetime.combine(day, time(), zone)
