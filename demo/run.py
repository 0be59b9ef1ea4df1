"""Land two days of a suppression list with a real Airflow, and look at what lies there.

By default the list is made up and a stand-in serves it on loopback. With MAILPARTNER_API_KEY set,
the list is the account's own and comes from the real service.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from mailpartner_provider.get_provider_info import DEFAULT_BASE_URL
from mailpartner_provider.testing.lists import make_unsubscribes
from mailpartner_provider.testing.server import StandIn

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".demo"
LAKE = HOME / "lake"
UNSUBSCRIBES = LAKE / "unsubscribes"
DAG_ID = "mailpartner_daily_local"

PARIS = ZoneInfo("Europe/Paris")
COUNT, YEARS = 10_000, 3
BAR_WIDTH = 50


def main() -> None:
    """Run the example DAG for yesterday and today; show partitions, receipts, people a month."""
    today = datetime.now(PARIS).date()
    shutil.rmtree(LAKE, ignore_errors=True)
    with account() as (base_url, key, next_day):
        settings = airflow_settings(base_url, key)
        say("Preparing an Airflow of its own in .demo")
        airflow(settings, "db", "migrate")
        for day in (today - timedelta(days=1), today):
            say(f"Airflow runs {DAG_ID} for {day}")
            airflow(settings, "dags", "test", DAG_ID, day.isoformat())
            next_day()
    show_tree()
    show_receipts()
    show_months()
    say("Look further:")
    where = UNSUBSCRIBES.relative_to(PROJECT)
    runner = Path(sys.executable).absolute().relative_to(PROJECT)
    print(f"  {runner} -c \"import pandas; print(pandas.read_parquet('{where}/dt={today}'))\"")


@contextmanager
def account() -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Open the account to land from: its base URL, its key, and what brings on its next day."""
    if key := os.environ.get("MAILPARTNER_API_KEY"):
        base_url = os.environ.get("MAILPARTNER_BASE_URL", DEFAULT_BASE_URL)
        say(f"Asking the real service at {base_url} (MAILPARTNER_API_KEY is set)")
        yield base_url, key, lambda: None
        return
    last = datetime.now(PARIS).replace(tzinfo=None)
    people = make_unsubscribes(COUNT, first=last - timedelta(days=365 * YEARS), last=last)
    with StandIn(list(people)) as api:
        say(f"A stand-in for the Mail Partner API serves {COUNT} made-up unsubscribes")

        def next_day() -> None:
            """Remove some people, as support does on request, and let others opt out."""
            added = make_unsubscribes(120, first=last - timedelta(minutes=9), last=last, seed=20)
            highest = max(record["id"] for record in api.unsubscribes)
            fresh = [{**record, "id": highest + record["id"]} for record in added]
            stay = [record for n, record in enumerate(api.unsubscribes) if n % 250]
            api.unsubscribes = stay + fresh

        yield api.url, api.key, next_day


def airflow_settings(base_url: str, key: str) -> dict[str, str]:
    """Give the environment of an Airflow that lives in .demo and knows the connection."""
    connection = {"conn_type": "mailpartner", "host": base_url, "password": key}
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags_examples"),
        "AIRFLOW_CONN_MAILPARTNER_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_MAILPARTNER_LAKE": str(LAKE),
    }


def airflow(settings: dict[str, str], *command: str) -> None:
    """Run an airflow command; show its log only if it fails."""
    log = HOME / f"airflow-{command[0]}.log"
    log.parent.mkdir(exist_ok=True)
    program = [sys.executable, "-m", "airflow", *command]
    with log.open("w") as output:
        done = subprocess.run(program, env=settings, stdout=output, stderr=output, check=False)
    if done.returncode:
        sys.exit(f"{log.read_text()[-4000:]}\nairflow {command[0]} failed; its log is {log}")


def show_tree() -> None:
    """Print what lies in the destination."""
    say(f"{UNSUBSCRIBES.relative_to(PROJECT)}/")
    for path in sorted(UNSUBSCRIBES.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(UNSUBSCRIBES)!s:<34}{path.stat().st_size:>9,} bytes")


def show_receipts() -> None:
    """Print what each landing declares about itself."""
    receipts = [json.loads(path.read_text()) for path in sorted(UNSUBSCRIBES.glob("_receipts/*"))]
    columns = ["snapshot_date", "status", "declared", "received", "rows", "rejected"]
    columns += ["after_cutoff", "previous_rows"]
    say("Receipts")
    print(pd.DataFrame(receipts)[columns].convert_dtypes().to_string(index=False))


def show_months() -> None:
    """Draw how many people opted out each month."""
    newest = max(UNSUBSCRIBES.glob("dt=*"))
    created = pd.read_parquet(newest)["created_at"].dt.tz_convert("Europe/Paris").dropna()
    months = created.dt.strftime("%Y-%m").value_counts().sort_index()
    say(f"New unsubscribes a month, in the snapshot of {newest.name.removeprefix('dt=')}")
    for month, count in months.items():
        print(f"  {month} {'█' * round(BAR_WIDTH * count / months.max())} {count}")


def say(what: str) -> None:
    """Print a headline."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{what}{plain}", flush=True)


if __name__ == "__main__":
    main()
