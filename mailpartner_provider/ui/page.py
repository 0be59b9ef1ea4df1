"""The page of overviews: HTML with its charts inside, and nothing else to load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import jinja2

from mailpartner_provider.lake.receipts import Receipt
from mailpartner_provider.ui.chart import HEIGHT, WIDTH, chart_of, signed
from mailpartner_provider.ui.overview import STATES, Overview

#: With more destinations than this, each has a page of its own, one click away.
CARDS = 4

LABELS = dict(zip(STATES, ("Not shown", "Late", "Shrunk", "Due", "Landed"), strict=True))


class View(NamedTuple):
    """The content of the page, and the Airflow variable that lists destinations.

    ``problem`` is why the variable cannot be read. ``receipt`` is of the requested landing, and
    ``run_path`` the path of its task run. ``to_paste`` is the variable with the requested
    destination, if it lacks that. ``listed`` is the number of landings to list for each.
    """

    variable: str
    overviews: Sequence[Overview] = ()
    problem: str = ""
    requested: str = ""
    receipt: Receipt | None = None
    run_path: str = ""
    to_paste: str = ""
    listed: int | None = None


def render(view: View) -> str:
    """Return the HTML of a page, the worst destination first; everything in it is escaped."""
    overviews = sorted(
        view.overviews, key=lambda each: (STATES.index(each.state), each.destination)
    )
    states = Counter(each.state for each in overviews)
    return _template().render(
        view._asdict()
        | {
            "overviews": overviews,
            "cards": overviews if len(overviews) <= CARDS else [],
            "counts": [
                f"{states[each]:,} {LABELS[each].lower()}" for each in STATES if states[each]
            ],
        }
    )


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
    environment.globals.update(chart_of=chart_of, width=WIDTH, height=HEIGHT, labels=LABELS)
    return environment.get_template("page.html")
