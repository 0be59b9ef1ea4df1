"""The page: what it shows, and that it shows it as text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from mailpartner_provider.ui.chart import HEIGHT, WIDTH, chart_of, signed
from mailpartner_provider.ui.overview import LATE, Landing, Overview, push_of
from mailpartner_provider.ui.page import View, render
from tests.support.html import shown
from tests.support.receipts import CHANGES, CONFIRMATION, PUSHED, RECEIPT

VARIABLE = "mailpartner_destinations"
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def landing(days_ago, rows, **members):
    at = NOON - timedelta(days=days_ago)
    unknown = dict.fromkeys(("net", "added", "removed", "since"))
    known = {"day": at.date(), "status": "live", "rejected": 0, "run_path": "", "dag_path": ""}
    measured = {"observed_at": at, "duration_seconds": 2.345}
    return Landing(**{**known, **measured, **unknown, **members}, rows=rows)


def overview(*landings, destination="/lake", state=LATE):
    return Overview(destination, "file:///lake", state, "Not landed", NOON.date(), landings)


class TestChart:
    def test_line(self):
        """The line goes from the oldest day on the left to the newest on the right."""
        chart = chart_of(overview(landing(0, 30), landing(1, 20), landing(2, 10)))

        (line,) = chart.lines
        x, y = zip(*(map(float, point.split(",")) for point in line.split()), strict=True)
        assert [WIDTH / 6, WIDTH / 2, WIDTH * 5 / 6] == list(x)
        assert [HEIGHT, HEIGHT / 2, 0] == list(y)
        assert (10, 30) == (chart.low, chart.high)

    def test_gap(self):
        """A missing day leaves its place, is marked, and ends the line; a day alone is a dot."""
        chart = chart_of(overview(landing(0, 30), landing(1, 20), landing(4, 10)))

        assert ["48.0,120.0 48.0,120.0", "336.0,60.0 432.0,0.0"] == chart.lines
        (gap,) = chart.gaps
        assert (WIDTH / 5, 2 * WIDTH / 5) == (gap.x, gap.width)
        assert "No landing: 2026-11-19 to 2026-11-20" == gap.description

    def test_until_today(self):
        """The chart of a late list goes until today."""
        chart = chart_of(overview(landing(4, 30), landing(5, 20)))

        assert (NOON - timedelta(days=5)).date() == chart.first
        assert NOON.date() == chart.last
        (gap,) = chart.gaps
        assert ("gap", 2 * WIDTH / 6, 3 * WIDTH / 6) == (gap.kind, gap.x, gap.width)

    def test_one_place_each(self):
        """Each bar has the place of one day, whatever it covers; one after a gap says so."""
        after_gap = landing(0, 9, net=-2, since=(NOON - timedelta(days=5)).date())

        chart = chart_of(overview(after_gap, landing(5, 11, net=1)))

        assert {0.8 * WIDTH / 6} == {bar.width for bar in chart.bars}
        assert ["added", "removed", "added over", "removed over"] == [b.kind for b in chart.bars]
        assert "2026-11-22: −2 in 5 days" == chart.bars[-1].description

    def test_bars(self):
        """Those added are a bar above the line, those removed a bar below it, at the same scale."""
        chart = chart_of(
            overview(
                landing(0, 9, net=-2, added=1, removed=3),
                landing(1, 11, net=1, added=1, removed=0),
            )
        )

        drawn = [(bar.kind, bar.y, bar.height) for bar in chart.bars]
        assert [
            ("added", 0, 30),
            ("removed", 30, 0),
            ("added", 0, 30),
            ("removed", 30, 90),
        ] == drawn
        assert ("Added and removed", 1, 3) == (
            chart.caption,
            chart.most_added,
            chart.most_removed,
        )
        assert [("+1", 0), ("0", 0.25), ("−3", 1)] == chart.ticks
        assert "2026-11-22: 1 added, 3 removed" == chart.bars[-1].description

    def test_net_bars(self):
        """Where changes are not landed, the bars are the differences."""
        chart = chart_of(overview(landing(0, 9, net=-2), landing(1, 11)))

        assert [0, 0, 0, HEIGHT] == [bar.height for bar in chart.bars]
        assert ("Net change", "2026-11-22: −2") == (chart.caption, chart.bars[-1].description)

    def test_nothing_to_draw(self):
        """One day is no chart, nor are two of long ago; a list that does not change is flat."""
        assert None is chart_of(overview(landing(0, 9)))
        assert None is chart_of(overview(landing(400, 9), landing(401, 9)))
        flat = chart_of(overview(landing(0, 0, net=0), landing(1, 0, net=0)))
        assert {0} == {bar.height for bar in flat.bars}

    def test_signs(self):
        """A difference has its sign; one that is not known is a dash."""
        assert ["+1,200", "−3", "0", "–"] == list(map(signed, [1200, -3, 0, None]))


class TestPage:
    def test_numbers(self):
        """A landing is a row of a table."""
        one = landing(0, 11_620, net=49, added=75, removed=26, rejected=2)

        texts, _ = shown(render(View(VARIABLE, [overview(one)])))

        row = ["2026-11-22", "live", "2026-11-22 12:00 UTC", "11,620", "+75", "−26", "+49", "2"]
        assert [*row, "2.3", "–"] == texts[texts.index("Task run") + 1 :]

    def test_task_run(self):
        """A landing leads to its task run, and the destination to its DAG."""
        one = landing(0, 1, run_path="/dags/d/runs/r/tasks/t", dag_path="/dags/d")

        html = render(View(VARIABLE, [overview(one)]))

        assert 'href="/dags/d/runs/r/tasks/t"' in html
        assert 'href="/dags/d">Open the DAG</a>' in html

    def test_missing_days(self):
        """Days without a landing are a row of their own."""
        texts, _ = shown(render(View(VARIABLE, [overview(landing(1, 1), landing(4, 1))])))

        missing = texts.index("2 days without a landing")
        assert ["2026-11-21", "2026-11-18"] == [texts[missing - 10], texts[missing + 1]]

    def test_many(self):
        """Many destinations are a table, the worst on top, and a page of their own each."""
        states = ["landed", "shrunk", "unread", "due", "late", "landed"]
        many = [
            overview(landing(0, 5), destination=f"/lake/{state}", state=state) for state in states
        ]

        html = render(View(VARIABLE, many))

        texts, tags = shown(html)
        assert "6 destinations: 1 not shown, 1 late, 1 shrunk, 1 due, 2 landed" in texts
        worst_first = sorted(states, key=["unread", "late", "shrunk", "due", "landed"].index)
        assert [f"/lake/{each}" for each in worst_first] == [t for t in texts if "/lake/" in t]
        assert "svg" not in tags

    def test_few(self):
        """Of a few destinations the details follow the table."""
        few = [overview(landing(0, 5), landing(1, 5), destination=f"/lake/{n}") for n in range(3)]

        html = render(View(VARIABLE, few))

        assert 6 == html.count("<svg ")
        assert "3 destinations: 3 late" in shown(html)[0]

    def test_odd_receipts(self):
        """What cannot be shown of a destination stands above what can."""
        one = overview(landing(0, 5))._replace(odd=["_receipts/dt=2026-11-20.json: odd"])

        assert "_receipts/dt=2026-11-20.json: odd" in shown(render(View(VARIABLE, [one])))[0]

    def test_to_paste(self):
        """A landing whose destination is not listed is shown, with what to paste."""
        texts, _ = shown(render(View(VARIABLE, requested="x", receipt=RECEIPT, to_paste='["/a"]')))

        assert RECEIPT.sha256 in texts
        assert '["/a"]' in texts

    def test_changes(self):
        """The receipt of changes is called that."""
        assert "Changes of 2026-11-22" in shown(render(View(VARIABLE, receipt=CHANGES)))[0]

    def test_pushes(self):
        """A push is a row of a table of its own, with what the next landing confirmed."""
        pushes = [
            push_of(PUSHED.as_dict(), run_path="/dags/d/runs/r/tasks/push"),
            push_of(PUSHED.as_dict(), CONFIRMATION.as_dict()),
        ]

        html = render(View(VARIABLE, [overview(landing(0, 1))._replace(pushes=pushes)]))

        texts, _ = shown(html)
        rows = texts[texts.index("Task run", texts.index("Pushed to Mail Partner")) + 1 :]
        assert ["2026-11-22", "40", "9", "30", "1", "–", "–", "not yet", "open"] == rows[:9]
        assert ["2026-11-22", "40", "9", "30", "1", "29", "1", "2026-11-23", "–"] == rows[9:]
        assert 'href="/dags/d/runs/r/tasks/push"' in html
        assert 1 == html.count('class="number problem"')

    def test_without_pushes(self):
        """Where nobody pushes, nothing is said of it."""
        assert "Pushed" not in render(View(VARIABLE, [overview(landing(0, 1))]))

    def test_brief_pushes(self):
        """Only the last pushes are listed, too."""
        one = overview()._replace(pushes=[push_of(PUSHED.as_dict())] * 9)

        assert 7 == render(View(VARIABLE, [one], listed=7)).count("not yet")

    def test_names(self):
        """Every chart has a name that says what it shows, and every table has headings."""
        one = overview(landing(0, 12_000), landing(1, 11_000))

        html = render(View(VARIABLE, [one._replace(pushes=[push_of(PUSHED.as_dict())])]))

        named = re.findall('<svg [^>]*role="img" aria-label="([^"]+)"', html)
        assert "On the list: between 11,000 and 12,000 from 2026-11-21 to 2026-11-22" == named[0]
        assert 2 == len(named) == html.count("<svg ")
        assert html.count("<th ") == html.count(' scope="')
        assert '<html lang="en">' in html

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
            uri=evil,
            verdict=evil,
            odd=[evil],
            pushes=[push_of(PUSHED.as_dict(), run_path=evil)],
        )

        view = View(evil, [each, each], evil, evil, receipt, evil, evil)
        texts, tags = shown(render(view))

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
