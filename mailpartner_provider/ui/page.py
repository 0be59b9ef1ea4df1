"""The page that shows overviews: HTML with charts in it, and nothing to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import jinja2

from mailpartner_provider.lake.receipts import Receipt
from mailpartner_provider.ui.overview import Landing, Overview

WIDTH, HEIGHT, BAR_WIDTH = 480, 120, 8


class View(NamedTuple):
    """What there is to show, and the Airflow variable that lists destinations.

    ``problems`` say why one of them is not shown, ``receipt`` is of the landing that was asked for,
    and ``listed`` says how many landings of each destination to list.
    """

    variable: str
    overviews: Sequence[Overview] = ()
    problems: Mapping[str, str] = MappingProxyType({})
    receipt: Receipt | None = None
    listed: int | None = None


class Bar(NamedTuple):
    """A bar of a chart, and what it stands for."""

    kind: str
    x: float
    y: float
    height: float
    says: str


class Chart(NamedTuple):
    """The size of the list as a line, and who came and went as bars, in the units of an SVG.

    The line lies between ``low`` and ``high``; ``most`` is what the longest bar ``tells``.
    """

    line: str
    low: int
    high: int
    bars: Sequence[Bar]
    zero: float
    most: int
    tells: str


def render(view: View) -> str:
    """Write the page; whatever comes from a view is escaped."""
    return _template().render(view._asdict())


def chart_of(landings: Sequence[Landing]) -> Chart | None:
    """Draw landings, the newest of which comes first; None while there are not two days."""
    if len(landings) < 2:
        return None
    first, last = landings[-1].day, landings[0].day
    a_day = (WIDTH - BAR_WIDTH) / (last - first).days
    sizes = [landing.rows for landing in landings]
    low, high = min(sizes), max(sizes)
    points, bars = [], []
    most_in, most_out = (max(counts) for counts in zip(*map(_moves, landings), strict=True))
    a_move = HEIGHT / (most_in + most_out or 1)
    zero = most_in * a_move
    for landing in reversed(landings):
        x = (landing.day - first).days * a_day
        y = HEIGHT * (high - landing.rows) / (high - low or 1)
        points.append(f"{x + BAR_WIDTH / 2:.1f},{y:.1f}")
        come, gone = (count * a_move for count in _moves(landing))
        says = f"{landing.day}: {_said(landing)}"
        bars.append(Bar("come", round(x, 1), round(zero - come, 1), round(come, 1), says))
        bars.append(Bar("gone", round(x, 1), round(zero, 1), round(gone, 1), says))
    compared = any(landing.added is not None for landing in landings)
    tells = "Added and removed" if compared else "Net change"
    return Chart(" ".join(points), low, high, bars, round(zero, 1), max(most_in, most_out), tells)


def signed(count: int | None) -> str:
    """Write a difference with its sign, or that it is not known."""
    if not count:
        return "–" if count is None else "0"
    return f"{count:+,}".replace("-", "−")


def _moves(landing: Landing) -> tuple[int, int]:
    """Count who came and who went; where only the difference is known, one of them is 0."""
    if landing.added is not None and landing.removed is not None:
        return landing.added, landing.removed
    net = landing.net or 0
    return max(net, 0), max(-net, 0)


def _said(landing: Landing) -> str:
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
