"""What the page shows in each state that a destination can be in, made up."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from mailpartner_provider.ui.overview import (
    Landing,
    Overview,
    landing_of,
    overview_of,
    push_of,
    unread,
)
from mailpartner_provider.ui.page import View
from tests.support.receipts import CHANGES, CONFIRMATION, PUSHED, RECEIPT

VARIABLE = "mailpartner_destinations"
NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
ROOT = "s3://aws_default@lake/mailpartner/unsubscribes"
RUN = "/dags/opt_outs/runs/scheduled__2026-11-22T04%3A00%3A00/tasks/land"
SILENT = unread(
    "gs://google_cloud_default@lake/unsubscribes",
    "It did not answer within 10 seconds: check the store and its connection, or reload the page",
    NOW,
)


def landings(days_ago: Iterable[int], rows: int = 10_000, lost: int = 0) -> list[Landing]:
    """Make up landings, the newest first; the list has these rows after the newest."""
    draw = random.Random(rows)
    days = [NOW.date() - timedelta(days=each) for each in days_ago]
    made = []
    for day, before in zip(days, [*days[1:], days[-1] - timedelta(days=1)], strict=True):
        added, removed = draw.randint(60, 140), draw.randint(5, 50) + lost
        dates = {"snapshot_date": f"{day}", "previous_snapshot_date": f"{before}"}
        previous, lost = rows - added + removed, 0
        counts = {"rows": rows, "previous_rows": previous, "rejected": 0}
        receipt = replace(RECEIPT, **dates, **counts, observed_at=f"{day}T05:30:04Z")
        changes = replace(CHANGES, **dates, added=added, removed=removed)
        made.append(landing_of(receipt, changes, RUN))
        rows = previous
    return made


def overview(name: str, made: list[Landing], odd: tuple[str, ...] = ()) -> Overview:
    return overview_of(name, f"s3://lake/{name}", made, ZoneInfo("Europe/Paris"), NOW, odd)


def states() -> dict[str, View]:
    """Return the page in each state, by name."""
    good = overview(ROOT, landings(range(30)))
    late = overview(ROOT, landings([9, 10, 11, 12, 15, 16, 17, 18, 24, 25, 26, 27]))
    shrunk = overview(ROOT, landings(range(20), 6_000, lost=4_000))
    odd = ("_receipts/dt=2026-11-02.json: it is no receipt that can be shown (ValueError)",)
    many = [
        overview(f"{ROOT}/account={number:02}", landings(range(30), 1_000 * number + 2_500))
        for number in range(46)
    ]
    worse = {"late": late, "shrunk": shrunk, "due": overview(ROOT, landings([1, 2]))}
    many += [each._replace(destination=f"{ROOT}/account={name}") for name, each in worse.items()]
    pushed, lost = PUSHED.as_dict(), CONFIRMATION.as_dict()
    pushes = [push_of(pushed), push_of(pushed, {**lost, "missing": 0}, RUN), push_of(pushed, lost)]
    only_pushes = overview_of(f"{ROOT}/pushes", "s3://p", [], ZoneInfo("UTC"), NOW, pushes=pushes)
    asked = {"requested": RECEIPT.uri, "receipt": RECEIPT, "run_path": RUN, "listed": 30}
    views = {
        "good": View(VARIABLE, [good]),
        "empty": View(VARIABLE),
        "nothing": View(VARIABLE, [overview(ROOT, [])]),
        "late": View(VARIABLE, [late]),
        "shrunk": View(VARIABLE, [shrunk._replace(odd=odd)]),
        "broken": View(VARIABLE, [SILENT, good]),
        "pushed": View(VARIABLE, [good._replace(pushes=pushes), only_pushes]),
        "wrong": View(VARIABLE, problem="It is not a JSON list of destinations"),
        "many": View(VARIABLE, [*many, SILENT]),
        "landing": View(VARIABLE, [good], **asked),
        "changes": View(VARIABLE, [good], **(asked | {"receipt": CHANGES})),
        "unlisted": View(VARIABLE, **asked, to_paste=f'["{ROOT}", "{ROOT}/account=hats"]'),
    }
    return {name: view._replace(listed=view.listed or 7) for name, view in views.items()}
