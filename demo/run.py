"""Land two days of a suppression list with a real Airflow, and show what was landed.

At last, an answer with half of the list is refused, and changes nothing.

By default the list is made up, a stand-in serves it on loopback, and the clock is set back to land
yesterday. With MAILPARTNER_API_KEY set, the list is the account's own, from the real service. The
clock is not changed then, so that yesterday's snapshot is backdated; no answer is truncated.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from matplotlib.axes import Axes

from docs import plots
from mailpartner_provider.get_provider_info import DEFAULT_BASE_URL
from mailpartner_provider.testing.answers import unsubscribe_list
from mailpartner_provider.testing.faults import miscounted
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
TRIES = 4
#: What the package logs, without what Airflow adds.
LOGGED = re.compile(r"(?:Landing the|Landed|Try \d of).*?(?=\s+\[(?:airflow|mailpartner)|$)", re.M)
CHANGES = {"added": "added", "removed": "removed", "changed": "changed_records"}


class Account(NamedTuple):
    """The account to land from.

    ``next_day`` changes a made-up list as another day would; ``truncate`` makes its next answers
    lack half of the list that they declare.
    """

    base_url: str
    key: str
    made_up: bool
    next_day: Callable[[], None]
    truncate: Callable[[], None]


def main() -> None:
    """Run the example DAG for yesterday and today, and show what it landed."""
    now = datetime.now(PARIS)
    yesterday = now - timedelta(days=1)
    shutil.rmtree(LAKE, ignore_errors=True)
    with account(now) as opened:
        settings = airflow_settings(opened)
        print_heading("Setting up a separate Airflow in .demo")
        airflow(settings, "db", "migrate")
        run_yesterday = f"Running {DAG_ID} for {yesterday.date()}"
        if opened.made_up:
            print_heading(f"{run_yesterday}, with the clock set back by a day")
            land(settings, yesterday.date(), clock=yesterday)
        else:
            print_heading(f"{run_yesterday}: backdated, so without changes")
            land(settings, yesterday.date())
        opened.next_day()
        print_heading(f"Running {DAG_ID} for {now.date()}")
        land(settings, now.date())
        show(now.date())
        if opened.made_up:
            print_heading("Half of the list gets lost on its way, each time it is requested")
            opened.truncate()
            refuse_truncated(settings, now.date())
    show_next(now.date())


@contextmanager
def account(now: datetime) -> Iterator[Account]:
    """Open the account to land from: the real one, or a made-up one as of yesterday."""
    if key := os.environ.get("MAILPARTNER_API_KEY"):
        base_url = os.environ.get("MAILPARTNER_BASE_URL", DEFAULT_BASE_URL)
        print_heading(f"Using the real service at {base_url} (MAILPARTNER_API_KEY is set)")
        yield Account(base_url, key, made_up=False, next_day=_nothing, truncate=_nothing)
        return
    last = now.replace(tzinfo=None)
    yesterday = last - timedelta(days=1)
    people = make_unsubscribes(COUNT, first=last - timedelta(days=365 * YEARS), last=yesterday)
    with StandIn(list(people)) as api:
        print_heading(f"Serving {COUNT:,} made-up unsubscribes from a stand-in for the API")

        def next_day() -> None:
            """Remove some records, correct some addresses, and add new opt-outs."""
            added = make_unsubscribes(120, first=yesterday, last=last, seed=20)
            highest = max(record["id"] for record in api.unsubscribes)
            fresh = [{**record, "id": highest + record["id"]} for record in added]
            stay = [record for n, record in enumerate(api.unsubscribes) if n % 250]
            stay[::2500] = [{**each, "email": f"new.{each['email']}"} for each in stay[::2500]]
            api.unsubscribes = stay + fresh

        def truncate() -> None:
            """Answer with the first half of the list, as if the rest had been lost on the way."""
            half = api.unsubscribes[: len(api.unsubscribes) // 2]
            lost = miscounted(len(api.unsubscribes) - len(half))(unsubscribe_list(half))
            api.script(*[replace(lost, headers={"Retry-After": "0"})] * TRIES)

        yield Account(api.url, api.key, True, next_day, truncate)


def airflow_settings(opened: Account) -> dict[str, str]:
    """Return the environment of the Airflow in .demo, with the connection."""
    connection = {"conn_type": "mailpartner", "host": opened.base_url, "password": opened.key}
    (HOME / "dags").mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / "dags_examples" / f"{DAG_ID}.py", HOME / "dags")
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME / f"airflow-{version('apache-airflow')}"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW_CONN_MAILPARTNER_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_MAILPARTNER_LAKE": str(LAKE),
    }


def land(settings: dict[str, str], day: date, clock: datetime | None = None) -> None:
    """Run the DAG for a day; at noon, because for Airflow 2 midnight ends the day before."""
    airflow(settings, "dags", "test", DAG_ID, f"{day}T12:00:00", clock=clock)


def refuse_truncated(settings: dict[str, str], day: date) -> None:
    """Try to land a truncated answer, and check that nothing has changed."""
    before = {path: path.read_bytes() for path in LAKE.rglob("*") if path.is_file()}
    run(settings, "demo.truncated", str(LAKE / "unsubscribes"), str(day))
    after = {path: path.read_bytes() for path in LAKE.rglob("*") if path.is_file()}
    if before != after:
        sys.exit("The refused answer has changed the lake")
    print("  Refused: the task fails. Otherwise every second person would be mailed again.")
    print(f"  All {len(after)} files in the lake are as they were, to the byte.")


def airflow(settings: dict[str, str], *command: str, clock: datetime | None = None) -> None:
    """Run an airflow command, with its clock set if requested."""
    travel = ["demo.clock", clock.isoformat()] if clock else []
    run(settings, *travel, "airflow", *command)


def run(settings: dict[str, str], *module: str) -> None:
    """Run a module with its arguments; show what the package logs, and all only if it fails."""
    log = HOME / f"{module[0]}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=settings,
            cwd=PROJECT,
            stdout=output,
            stderr=output,
        )
    follow(process, log)
    if process.returncode:
        sys.exit(f"{log.read_text()[-4000:]}\n{' '.join(module)} failed; see its log: {log}")


def follow(process: subprocess.Popen[bytes], log: Path) -> None:
    """Print a dot each second, and what the package logs, until a process has ended."""
    shown: set[str] = set()
    print("  ", end="", flush=True)
    while True:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            print(".", end="", flush=True)
        for line in LOGGED.findall(log.read_text()):
            if line not in shown:
                shown.add(line)
                print(f"\n  {line.replace(f'{LAKE.as_uri()}/', '')}", end=" ", flush=True)
        if process.returncode is not None:
            print()
            return


def show(today: date) -> None:
    """Print what was landed, and draw a chart of the opt-outs per month."""
    show_tree()
    show_receipts()
    changes = show_changes(today)
    show_months(today, changes)


def show_next(today: date) -> None:
    """Print what to look at."""
    python, lake = (os.path.relpath(path, PROJECT) for path in (sys.executable, LAKE))
    file = f"{lake}/unsubscribes/dt={today}"
    print_heading("Next, look at")
    print(f"  {os.path.relpath(PICTURE, PROJECT)}")
    print(f"  {python} -c \"import pandas; print(pandas.read_parquet('{file}'))\"")


def show_tree() -> None:
    """Print the files in the lake."""
    print_heading(f"{os.path.relpath(LAKE, PROJECT)}/")
    for path in sorted(LAKE.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(LAKE)!s:<54}{path.stat().st_size:>9,} bytes")


def show_receipts() -> None:
    """Print the receipts of the snapshots."""
    files = sorted((LAKE / "unsubscribes").glob("_receipts/*"))
    columns = ["snapshot_date", "status", "declared", "received", "rows", "rejected"]
    columns += ["after_cutoff", "previous_rows"]
    receipts = pd.DataFrame([json.loads(file.read_text()) for file in files])
    print_heading("Receipts")
    print(receipts[columns].convert_dtypes().to_string(index=False))


def show_changes(today: date) -> str:
    """Print how many records were added, removed and changed; return that as one line."""
    file = LAKE / "unsubscribe_changes" / "_receipts" / f"dt={today}.json"
    receipt = json.loads(file.read_text())
    previous = receipt["previous_snapshot_date"]
    since = f" since {previous}" if previous else ": no earlier live snapshot, so all are added"
    print_heading(f"Changes of {today}{since}")
    counts = {change: receipt[member] for change, member in CHANGES.items()}
    for change, count in counts.items():
        print(f"  {change:<10}{count:>7,}")
    return f"On {today}: " + ", ".join(f"{count:,} {change}" for change, count in counts.items())


def show_months(today: date, changes: str) -> None:
    """Draw a chart of the opt-outs per month, as text and as a PNG."""
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
    print_heading(title)
    for month, count in result.itertuples(index=False):
        print(f"  {month} {'█' * round(BAR_WIDTH * count / result['count'].max())} {count}")


def _nothing() -> None:
    """Leave a real account as it is."""


def print_heading(text: str) -> None:
    """Print a heading, in bold on a terminal."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


if __name__ == "__main__":
    main()
