"""Land two days of a suppression list with a real Airflow, and look at what lies there.

By default the list is made up and a stand-in serves it on loopback; for yesterday, the clock is set
back. With MAILPARTNER_API_KEY set, the list is the account's own and comes from the real service,
and the clock is left alone: what is landed after its day is backdated, and has to say so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from matplotlib.axes import Axes

from docs import plots
from mailpartner_provider.get_provider_info import DEFAULT_BASE_URL
from mailpartner_provider.testing.lists import make_unsubscribes
from mailpartner_provider.testing.server import StandIn

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".demo"
LAKE = HOME / "lake"
PICTURE = HOME / "opt_outs.png"
DAG_ID = "mailpartner_changes"

PARIS = ZoneInfo("Europe/Paris")
COUNT, YEARS = 10_000, 3
MONTHS = 12
BAR_WIDTH = 50
CHANGES = {"added": "added", "removed": "removed", "changed": "changed_records"}


class Account(NamedTuple):
    """Whose list is landed, and what brings on its next day."""

    base_url: str
    key: str
    made_up: bool
    next_day: Callable[[], None]


def main() -> None:
    """Run the example DAG for yesterday and today, and show what it landed."""
    now = datetime.now(PARIS)
    yesterday = now - timedelta(days=1)
    shutil.rmtree(LAKE, ignore_errors=True)
    with account(now) as opened:
        settings = airflow_settings(opened)
        say("Preparing an Airflow of its own in .demo")
        airflow(settings, "db", "migrate")
        if opened.made_up:
            say(f"Airflow runs {DAG_ID} for {yesterday.date()}, with its clock set back by a day")
            land(settings, yesterday.date(), clock=yesterday)
        else:
            say(f"Airflow runs {DAG_ID} for {yesterday.date()}: backdated, so without changes")
            land(settings, yesterday.date())
        opened.next_day()
        say(f"Airflow runs {DAG_ID} for {now.date()}")
        land(settings, now.date())
    show(now.date())


@contextmanager
def account(now: datetime) -> Iterator[Account]:
    """Open the account to land from: the real one, or one that is made up as of yesterday."""
    if key := os.environ.get("MAILPARTNER_API_KEY"):
        base_url = os.environ.get("MAILPARTNER_BASE_URL", DEFAULT_BASE_URL)
        say(f"Asking the real service at {base_url} (MAILPARTNER_API_KEY is set)")
        yield Account(base_url, key, made_up=False, next_day=lambda: None)
        return
    last = now.replace(tzinfo=None)
    yesterday = last - timedelta(days=1)
    people = make_unsubscribes(COUNT, first=last - timedelta(days=365 * YEARS), last=yesterday)
    with StandIn(list(people)) as api:
        say(f"A stand-in for the Mail Partner API serves {COUNT} made-up unsubscribes")

        def next_day() -> None:
            """Remove and correct some people, as support does, and let others opt out."""
            added = make_unsubscribes(120, first=yesterday, last=last, seed=20)
            highest = max(record["id"] for record in api.unsubscribes)
            fresh = [{**record, "id": highest + record["id"]} for record in added]
            stay = [record for n, record in enumerate(api.unsubscribes) if n % 250]
            stay[::2500] = [{**each, "email": f"new.{each['email']}"} for each in stay[::2500]]
            api.unsubscribes = stay + fresh

        yield Account(api.url, api.key, made_up=True, next_day=next_day)


def airflow_settings(opened: Account) -> dict[str, str]:
    """Return the environment of an Airflow that lives in .demo and knows the connection."""
    connection = {"conn_type": "mailpartner", "host": opened.base_url, "password": opened.key}
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME / f"airflow-{version('apache-airflow')}"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags_examples"),
        "AIRFLOW_CONN_MAILPARTNER_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_MAILPARTNER_LAKE": str(LAKE),
    }


def land(settings: dict[str, str], day: date, clock: datetime | None = None) -> None:
    """Run the DAG for a day; at noon, for Airflow 2 takes midnight for the day before."""
    airflow(settings, "dags", "test", DAG_ID, f"{day}T12:00:00", clock=clock)


def airflow(settings: dict[str, str], *command: str, clock: datetime | None = None) -> None:
    """Run an airflow command, by another clock if there is one; show its log only if it fails."""
    log = HOME / f"airflow-{command[0]}.log"
    log.parent.mkdir(exist_ok=True)
    travel = ["demo.clock", clock.isoformat()] if clock else []
    program = [sys.executable, "-m", *travel, "airflow", *command]
    with log.open("w") as output:
        done = subprocess.run(
            program, env=settings, cwd=PROJECT, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        sys.exit(f"{log.read_text()[-4000:]}\nairflow {command[0]} failed; its log is {log}")


def show(today: date) -> None:
    """Print what was landed, and draw how many people opted out each month."""
    show_tree()
    show_receipts()
    changes = show_changes(today)
    show_months(today, changes)
    python, lake = (os.path.relpath(path, PROJECT) for path in (sys.executable, LAKE))
    file = f"{lake}/unsubscribes/dt={today}"
    say("Look further")
    print(f"  {os.path.relpath(PICTURE, PROJECT)}")
    print(f"  {python} -c \"import pandas; print(pandas.read_parquet('{file}'))\"")


def show_tree() -> None:
    """Print what lies in the lake."""
    say(f"{os.path.relpath(LAKE, PROJECT)}/")
    for path in sorted(LAKE.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(LAKE)!s:<54}{path.stat().st_size:>9,} bytes")


def show_receipts() -> None:
    """Print what each landing of a snapshot declares about itself."""
    files = sorted((LAKE / "unsubscribes").glob("_receipts/*"))
    columns = ["snapshot_date", "status", "declared", "received", "rows", "rejected"]
    columns += ["after_cutoff", "previous_rows"]
    receipts = pd.DataFrame([json.loads(file.read_text()) for file in files])
    say("Receipts")
    print(receipts[columns].convert_dtypes().to_string(index=False))


def show_changes(today: date) -> str:
    """Print how many records were added, removed and changed; say it in short, too."""
    file = LAKE / "unsubscribe_changes" / "_receipts" / f"dt={today}.json"
    receipt = json.loads(file.read_text())
    since = receipt["previous_snapshot_date"] or "ever: there is no live snapshot before it"
    say(f"Changes of {today} since {since}")
    counts = {change: receipt[member] for change, member in CHANGES.items()}
    for change, count in counts.items():
        print(f"  {change:<10}{count:>7,}")
    return f"On {today}: " + ", ".join(f"{count:,} {change}" for change, count in counts.items())


def show_months(today: date, changes: str) -> None:
    """Draw how many people opted out each month, here and in a PNG."""
    created = pd.read_parquet(LAKE / "unsubscribes" / f"dt={today}")["created_at"]
    months = created.dropna().dt.tz_convert("Europe/Paris").dt.strftime("%Y-%m")
    result = months.value_counts().sort_index().tail(MONTHS).rename_axis("month").reset_index()
    title = "How many people opted out each month?"

    def bars(axes: Axes, result: pd.DataFrame) -> None:
        axes.bar_label(axes.bar(result["month"], result["count"], color=plots.GREEN), padding=2)
        axes.margins(y=0.1)
        axes.set_xlabel(changes)
        axes.set_ylabel("people on the list")

    plots.draw(bars, result, title=title, file=PICTURE)
    say(title)
    for month, count in result.itertuples(index=False):
        print(f"  {month} {'█' * round(BAR_WIDTH * count / result['count'].max())} {count}")


def say(what: str) -> None:
    """Print a headline."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{what}{plain}", flush=True)


if __name__ == "__main__":
    main()
