"""The page of overviews: one HTML document with its charts, which loads nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import jinja2

from mailpartner_provider.lake.receipts import Receipt
from mailpartner_provider.ui.chart import HEIGHT, WIDTH, chart_of, signed
from mailpartner_provider.ui.overview import STATES, Overview

#: With more destinations than this, the page is a table, and each has a separate page.
CARDS = 4

LABELS = dict(zip(STATES, ("Not shown", "Late", "Shrunk", "Due", "Landed", "Pushed"), strict=True))


class View(NamedTuple):
    """The content of the page.

    :param variable: the name of the Airflow variable that lists destinations
    :param problem: why the variable cannot be read
    :param receipt: the receipt of the requested landing
    :param run_path: the path of the task run that landed it
    :param to_paste: the value of the variable with the requested destination added, if it lacks it
    :param listed: the number of landings to list for each destination
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
    """Return the page as HTML, all values escaped, with the worst destination first."""
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
