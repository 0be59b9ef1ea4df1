"""The charts of a destination in SVG units; the x axis has one slot for each day until today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

from mailpartner_provider.ui.overview import Landing, Overview

WIDTH, HEIGHT, DAYS = 480, 120, 90


class Bar(NamedTuple):
    """A bar, or the band of a gap, and its description."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    description: str


class Chart(NamedTuple):
    """The size of the list as lines, additions and removals as bars.

    A line has a point for each day, and ends where a day is missing; ``gaps`` are the bands of
    missing days. The lines lie between ``low`` and ``high``; the longest bars stand for
    ``most_added`` and ``most_removed``. ``caption`` names the bars.
    """

    first: date
    last: date
    lines: Sequence[str]
    low: int
    high: int
    gaps: Sequence[Bar]
    bars: Sequence[Bar]
    zero: float
    most_added: int
    most_removed: int
    caption: str

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """The marks beside the bars, and their places as shares of the height."""
        marks = {signed(self.most_added): 0.0, "0": self.zero / HEIGHT}
        if self.most_removed:
            marks[signed(-self.most_removed)] = 1.0
        return [(mark, share) for mark, share in marks.items() if mark != "0" or 0.1 < share < 0.9]


def chart_of(overview: Overview) -> Chart | None:
    """Return the chart of the last days; None for fewer than two landings in them."""
    last = max([overview.today, *(landing.day for landing in overview.landings)])
    earliest = last - timedelta(days=DAYS - 1)
    landings = [each for each in reversed(overview.landings) if each.day >= earliest]
    if len(landings) < 2:
        return None
    first = landings[0].day
    slot = WIDTH / ((last - first).days + 1)
    low, high = (f(landing.rows for landing in landings) for f in (min, max))
    return Chart(
        first,
        last,
        _lines(landings, first, slot, low, high),
        low,
        high,
        _gaps(overview, first, slot),
        *_bars(landings, first, slot),
        "Added and removed" if any(each.added is not None for each in landings) else "Net change",
    )


def signed(count: int | None) -> str:
    """Return a difference with its sign; a dash when it is unknown."""
    if not count:
        return "–" if count is None else "0"
    return f"{count:+,}".replace("-", "−")


def _lines(landings: Sequence[Landing], first: date, slot: float, low: int, high: int) -> list[str]:
    """Return a line for each run of days; a single day is a line without length: a dot."""
    numbered = groupby(enumerate(landings), lambda each: each[1].day.toordinal() - each[0])
    lines = []
    for _, run in numbered:
        points = [
            f"{((each.day - first).days + 0.5) * slot:.1f},"
            f"{HEIGHT * (high - each.rows) / (high - low or 1):.1f}"
            for _, each in run
        ]
        lines.append(" ".join(points if len(points) > 1 else points * 2))
    return lines


def _gaps(overview: Overview, first: date, slot: float) -> list[Bar]:
    bands = []
    for day, count in overview.gaps.items():
        if day < first:
            continue
        x = ((day - first).days + 1) * slot
        days = f"{day + timedelta(days=1)}"
        if count > 1:
            days = f"{days} to {day + timedelta(days=count)}"
        bands.append(Bar("gap", x, 0, count * slot, HEIGHT, f"No landing: {days}"))
    return bands


def _bars(
    landings: Sequence[Landing], first: date, slot: float
) -> tuple[list[Bar], float, int, int]:
    """Return the bars, the height of their zero, and the most that were added and removed."""
    most_added, most_removed = (max(counts) for counts in zip(*map(_counts, landings), strict=True))
    unit = HEIGHT / (most_added + most_removed or 1)
    zero = most_added * unit
    bars = []
    for landing in landings:
        x = ((landing.day - first).days + 0.1) * slot
        added, removed = (count * unit for count in _counts(landing))
        over = " over" if landing.days > 1 else ""
        description = f"{landing.day}: {_describe(landing)}"
        bars.append(Bar(f"added{over}", x, zero - added, 0.8 * slot, added, description))
        bars.append(Bar(f"removed{over}", x, zero, 0.8 * slot, removed, description))
    return bars, zero, most_added, most_removed


def _counts(landing: Landing) -> tuple[int, int]:
    """Return how many were added and removed; if only the difference is known, one of them is 0."""
    if landing.added is not None and landing.removed is not None:
        return landing.added, landing.removed
    net = landing.net or 0
    return max(net, 0), max(-net, 0)


def _describe(landing: Landing) -> str:
    if landing.added is not None:
        text = f"{landing.added:,} added, {landing.removed:,} removed"
    else:
        text = signed(landing.net)
    return f"{text} in {landing.days} days" if landing.days > 1 else text
