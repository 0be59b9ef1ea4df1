"""The page of overviews: HTML with its charts inside, and nothing else to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import jinja2

from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.ui.overview import Landing, Overview

WIDTH, HEIGHT, BAR_WIDTH = 480, 120, 8


class View(NamedTuple):
    """The content of the page, and the Airflow variable that lists destinations.

    ``problems`` are the reasons why destinations are not shown, ``receipt`` is of the requested
    landing, and ``listed`` is the number of landings to list for each destination.
    """

    variable: str
    overviews: Sequence[Overview] = ()
    problems: Mapping[str, str] = MappingProxyType({})
    receipt: SnapshotReceipt | None = None
    listed: int | None = None


class Bar(NamedTuple):
    """A bar of a chart, and its description."""

    kind: str
    x: float
    y: float
    height: float
    description: str


class Chart(NamedTuple):
    """The size of the list as a line, additions and removals as bars, in the units of an SVG.

    The line lies between ``low`` and ``high``; the longest bar stands for ``most``. ``caption``
    names the bars.
    """

    line: str
    low: int
    high: int
    bars: Sequence[Bar]
    zero: float
    most: int
    caption: str


def render(view: View) -> str:
    """Return the HTML of a page; everything from a view is escaped."""
    return _template().render(view._asdict())


def chart_of(landings: Sequence[Landing]) -> Chart | None:
    """Return the chart of landings, the newest of which comes first; None for fewer than two."""
    if len(landings) < 2:
        return None
    first, last = landings[-1].day, landings[0].day
    a_day = (WIDTH - BAR_WIDTH) / (last - first).days
    sizes = [landing.rows for landing in landings]
    low, high = min(sizes), max(sizes)
    points, bars = [], []
    most_added, most_removed = (max(counts) for counts in zip(*map(_counts, landings), strict=True))
    a_move = HEIGHT / (most_added + most_removed or 1)
    zero = most_added * a_move
    for landing in reversed(landings):
        x = (landing.day - first).days * a_day
        y = HEIGHT * (high - landing.rows) / (high - low or 1)
        points.append(f"{x + BAR_WIDTH / 2:.1f},{y:.1f}")
        added, removed = (count * a_move for count in _counts(landing))
        description = f"{landing.day}: {_describe(landing)}"
        bars.append(Bar("added", round(x, 1), round(zero - added, 1), round(added, 1), description))
        bars.append(Bar("removed", round(x, 1), round(zero, 1), round(removed, 1), description))
    compared = any(landing.added is not None for landing in landings)
    caption = "Added and removed" if compared else "Net change"
    return Chart(
        " ".join(points), low, high, bars, round(zero, 1), max(most_added, most_removed), caption
    )


def signed(count: int | None) -> str:
    """Return a difference with its sign; a dash when it is unknown."""
    if not count:
        return "–" if count is None else "0"
    return f"{count:+,}".replace("-", "−")


def _counts(landing: Landing) -> tuple[int, int]:
    """Return how many were added and removed; if only the difference is known, one of them is 0."""
    if landing.added is not None and landing.removed is not None:
        return landing.added, landing.removed
    net = landing.net or 0
    return max(net, 0), max(-net, 0)


def _describe(landing: Landing) -> str:
    if landing.added is not None:
        return f"{landing.added:,} added, {landing.removed:,} removed"
    return signed(landing.net)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mailpartner_provider.ui", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    environment.globals.update(chart_of=chart_of, width=WIDTH, height=HEIGHT, bar_width=BAR_WIDTH)
    return environment.get_template("page.html")
