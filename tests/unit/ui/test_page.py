"""The page: what it shows, and that it shows it as text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from mailpartner_provider.ui.overview import LATE, Landing, Overview
from mailpartner_provider.ui.page import BAR_WIDTH, HEIGHT, WIDTH, View, chart_of, render, signed
from tests.support.html import shown
from tests.support.receipts import RECEIPT

VARIABLE = "mailpartner_destinations"
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def landing(days_ago, rows, **members):
    unknown = dict.fromkeys(("net", "added", "removed"))
    at = NOON - timedelta(days=days_ago)
    known = {"day": at.date(), "status": "live", "rejected": 0}
    measured = {"observed_at": at, "duration_seconds": 2.345}
    return Landing(**{**known, **measured, **unknown, **members}, rows=rows)


def overview(*landings, destination="/lake"):
    return Overview(destination, "file:///lake", LATE, "Not landed", landings)


class TestChart:
    def test_line(self):
        """The line goes from the oldest day on the left to the newest on the right, and a missing
        day leaves its place."""
        chart = chart_of([landing(0, 30), landing(1, 20), landing(4, 10)])

        x, y = zip(*(map(float, point.split(",")) for point in chart.line.split()), strict=True)
        half = BAR_WIDTH / 2
        assert [half, half + 0.75 * (WIDTH - BAR_WIDTH), WIDTH - half] == list(x)
        assert [HEIGHT, HEIGHT / 2, 0] == list(y)
        assert (10, 30) == (chart.low, chart.high)

    def test_bars(self):
        """Those added are a bar above the line, those removed a bar below it, at the same scale."""
        compared = [
            landing(0, 9, net=-2, added=1, removed=3),
            landing(1, 11, net=1, added=1, removed=0),
        ]

        chart = chart_of(compared)

        drawn = [(bar.kind, bar.y, bar.height) for bar in chart.bars]
        assert [
            ("added", 0, 30),
            ("removed", 30, 0),
            ("added", 0, 30),
            ("removed", 30, 90),
        ] == drawn
        assert ("Added and removed", 3, 30) == (chart.caption, chart.most, chart.zero)
        assert "2026-11-22: 1 added, 3 removed" == chart.bars[-1].description

    def test_net_bars(self):
        """Where changes are not landed, the bars are the differences."""
        chart = chart_of([landing(0, 9, net=-2), landing(1, 11)])

        assert [0, 0, 0, HEIGHT] == [bar.height for bar in chart.bars]
        assert ("Net change", "2026-11-22: −2") == (chart.caption, chart.bars[-1].description)

    def test_nothing_to_draw(self):
        """One day is no chart, and a list that does not change is a flat one."""
        assert None is chart_of([landing(0, 9)])
        flat = chart_of([landing(0, 0, net=0), landing(1, 0, net=0)])
        assert {0} == {bar.height for bar in flat.bars}

    def test_signs(self):
        """A difference has its sign; one that is not known is a dash."""
        assert ["+1,200", "−3", "0", "–"] == list(map(signed, [1200, -3, 0, None]))


class TestPage:
    def test_numbers(self):
        """A landing is a row of a table."""
        one = landing(0, 11_620, net=49, added=75, removed=26, rejected=2)

        texts, _ = shown(render(View(VARIABLE, [overview(one)])))

        row = ["2026-11-22", "live", "2026-11-22 12:00", "11,620", "+75", "−26", "+49", "2", "2.3"]
        assert row == texts[texts.index("Seconds") + 1 :]

    def test_brief(self):
        """Of many destinations only the last landings are listed, and all of them are drawn."""
        many = [landing(days_ago, 10) for days_ago in range(9)]

        html = render(View(VARIABLE, [overview(*many)], listed=7))

        assert 7 == html.count("day=2026-11-")
        assert 9 == len(re.search('points="([^"]*)"', html)[1].split())

    def test_receipt(self):
        """The landing that was asked for is shown with all that its receipt says."""
        texts, _ = shown(render(View(VARIABLE, receipt=replace(RECEIPT, rows=11_620))))

        assert "11,620" == texts[texts.index("rows") + 1]
        assert RECEIPT.sha256 == texts[texts.index("sha256") + 1]

    def test_empty(self):
        """Without destinations the page says how to name some."""
        texts, _ = shown(render(View(VARIABLE)))

        assert "No destinations yet" in texts
        assert VARIABLE in texts

    def test_escaped(self):
        """Nothing that comes from outside is taken for HTML."""
        evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
        receipt = replace(RECEIPT, **{"unknown_fields": evil, "run_id": evil, "uri": evil})
        one = landing(0, 1, status=evil)
        each = overview(one, landing(1, 1), destination=evil)._replace(
            uri=evil, verdict=evil, state=evil
        )

        texts, tags = shown(render(View(evil, [each], {evil: evil}, receipt)))

        assert 6 <= texts.count(evil)
        assert not tags & {"script", "img"}
        empty, tags = shown(render(View(evil)))
        assert evil in empty and "script" not in tags

    def test_nothing_to_load(self):
        """The page loads nothing, and runs nothing."""
        view = View(VARIABLE, [overview(landing(0, 1), landing(1, 1))], receipt=RECEIPT)

        html = render(view)

        _, tags = shown(html)
        assert not tags & {"script", "link", "img", "iframe", "object"}
        assert not re.search(r"url\(|@import|\ssrc=|https?://", html)
