"""Time the landing beside the other ways, in turns, and draw the table (``make bench``)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from benchmarks.server import AWKWARD, list_file, serving

FOLDER = Path(__file__).parent
CACHE = FOLDER.parent / ".bench"
OURS = "mailpartner-provider"
PEERS = ("pandas", "polars", "DuckDB", "dlt")
FLOOR = ("parse, then write", "read and throw away")
DLT_LIMIT = 1_000_000  # beyond, it takes minutes


class Job(NamedTuple):
    """One way to go, over one list."""

    way: str
    file: str


Costs = dict[Job, dict[str, float]]


def main() -> None:
    """Run what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 5_000_000])
    options.add_argument("--curve", type=int, nargs="*", default=[10**4, 10**5, 10**6, 10**7])
    options.add_argument("--awkward", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--write", action="store_true", help="replace RESULTS.md and results.png")
    given = options.parse_args()

    lists = {size: list_file(CACHE, size).name for size in {*given.sizes, *given.curve}}
    awkward = {kind: list_file(CACHE, given.awkward, kind).name for kind in AWKWARD}
    jobs = [
        Job(way, lists[size])
        for size in given.sizes
        for way in (OURS, *PEERS, *FLOOR)
        if way != "dlt" or size <= DLT_LIMIT
    ]
    jobs += [Job(way, file) for file in awkward.values() for way in (OURS, "pandas")]
    jobs += [Job(OURS, lists[size]) for size in given.curve if size not in given.sizes]
    costs = measure(jobs, given.rounds)

    text = "\n".join(
        [
            headline(given.rounds),
            startup_table(),
            *(size_table(costs, size, lists[size]) for size in given.sizes),
            awkward_table(costs, awkward, given.awkward),
            curve_table(costs, {size: lists[size] for size in sorted(given.curve)}),
        ]
    )
    print(text)
    if given.write:
        largest = max(given.sizes)
        (FOLDER / "RESULTS.md").write_text(text)
        show_in_readme(text.splitlines()[2], size_table(costs, largest, lists[largest]))
        draw(costs, largest, lists[largest])


def measure(jobs: list[Job], rounds: int, folder: Path = CACHE) -> Costs:
    """Do every job in turn, several times; give the median of each figure."""
    figures: dict[Job, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with serving(folder) as address:
        for turn in range(rounds):
            for job in jobs:
                print(f"round {turn + 1} of {rounds}: {job.way}, {job.file}", file=sys.stderr)
                for name, figure in go(job, address).items():
                    figures[job][name].append(figure)
    return {
        job: {name: statistics.median(seen) for name, seen in each.items()}
        for job, each in figures.items()
    }


def go(job: Job, address: str) -> dict[str, float]:
    """Go one way in a new process."""
    folder = tempfile.mkdtemp(prefix="mailpartner-bench-")
    command = [sys.executable, "-m", "benchmarks.ways", job.way, f"{address}/{job.file}", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def headline(rounds: int) -> str:
    """Return when and where the figures were made, and how to read them."""
    today = datetime.now(timezone.utc).date()
    return (
        "# Benchmarks\n\n"
        f"Made on {today} by `make bench` on {os.cpu_count()} cores of {processor()}, Python "
        f"{platform.python_version()}: medians of {rounds} rounds, every way in a new process, in "
        "turns, over loopback.\n"
    )


def processor() -> str:
    """Name the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def size_table(costs: Costs, size: int, file: str) -> str:
    """Lay out one size: every way, and the floor."""
    ours = costs[Job(OURS, file)]
    rows = [
        f"## {size:,} records\n",
        "| way | seconds | CPU seconds | peak memory, MB | bytes a record | time, as a multiple |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for way in (OURS, *PEERS, *FLOOR):
        if cost := costs.get(Job(way, file)):
            rows.append(
                f"| {way} | {cost['seconds']:.2f} | {cost['cpu_seconds']:.2f} | "
                f"{cost['peak_bytes'] / 2**20:,.0f} | {cost['file_bytes'] / size:.1f} | "
                f"{cost['seconds'] / ours['seconds']:.1f} |"
            )
    return "\n".join(rows) + "\n"


def awkward_table(costs: Costs, files: dict[str, str], size: int) -> str:
    """Lay out the answers that are awkward, but legal."""
    rows = [
        f"## Awkward answers, {size:,} records\n",
        "| answer | seconds | pandas, seconds | pandas, as a multiple | memory above idle, MB |",
        "| --- | --: | --: | --: | --: |",
    ]
    for kind, file in files.items():
        ours, pandas = costs[Job(OURS, file)], costs[Job("pandas", file)]
        rows.append(
            f"| {kind} | {ours['seconds']:.2f} | {pandas['seconds']:.2f} | "
            f"{pandas['seconds'] / ours['seconds']:.1f} | {above_idle(ours):,.0f} |"
        )
    return "\n".join(rows) + "\n"


def curve_table(costs: Costs, files: dict[int, str]) -> str:
    """Lay out the memory that a landing takes, as the list grows."""
    rows = [
        "## Memory of a landing\n",
        "| records | peak above the idle process, MB |",
        "| --: | --: |",
        *(
            f"| {size:,} | {above_idle(costs[Job(OURS, file)]):,.0f} |"
            for size, file in files.items()
        ),
    ]
    return "\n".join(rows) + "\n"


def startup_table(processes: int = 5) -> str:
    """Lay out what the provider costs before there is a list."""
    command = [sys.executable, "-m", "benchmarks.startup"]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        for _ in range(processes)
    ]
    costs = [json.loads(output) for output in outputs]
    import_ms, modules, heavy, short_ms = (
        statistics.median(cost[name] for cost in costs)
        for name in ("import_ms", "modules", "heavy_modules", "short_ms")
    )
    return (
        "## Before there is a list\n\n"
        "| what | |\n| --- | --: |\n"
        f"| importing the operator, over what a DAG file imports anyway | {import_ms:.1f} ms |\n"
        f"| modules that it adds | {modules:.0f} |\n"
        f"| of pyarrow, pandas, numpy, requests among them | {heavy:.0f} |\n"
        f"| landing a thousand records, once all is warm | {short_ms:.1f} ms |\n"
    )


def above_idle(cost: dict[str, float]) -> float:
    """Return the peak memory above that of the process before it began, in MB."""
    return (cost["peak_bytes"] - cost["idle_bytes"]) / 2**20


def show_in_readme(made: str, table: str) -> None:
    """Put one table between the marks in README, under the picture."""
    readme = FOLDER.parent / "README.md"
    head, mark, rest = readme.read_text().partition("<!-- figures -->\n")
    _, end, tail = rest.partition("<!-- end of figures -->\n")
    rows = "\n".join(table.splitlines()[2:])
    readme.write_text(f"{head}{mark}{rows}\n\n{made}\n{end}{tail}")


def draw(costs: Costs, size: int, file: str) -> None:
    """Draw two bars a way, time and memory, at the largest size."""
    from matplotlib import pyplot

    shown = {way: costs[Job(way, file)] for way in (OURS, *PEERS) if Job(way, file) in costs}
    names = list(shown)[::-1]
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 2.6), sharey=True, layout="constrained")
    for panel, title, values in (
        (panels[0], "seconds", [shown[name]["seconds"] for name in names]),
        (panels[1], "peak memory, MB", [shown[name]["peak_bytes"] / 2**20 for name in names]),
    ):
        colours = ["#1b7f5c" if name == OURS else "#b9c2c9" for name in names]
        bars = panel.barh(names, values, color=colours)
        panel.bar_label(bars, fmt="{:,.1f}" if title == "seconds" else "{:,.0f}", padding=4)
        panel.set_title(title, loc="left", fontsize=11)
        panel.margins(x=0.15)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(left=False, bottom=False, labelbottom=False)
    title = f"From the API to a Parquet partition: {size:,} unsubscribes, {os.cpu_count()} cores"
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(FOLDER / "results.png", dpi=150)


if __name__ == "__main__":
    main()
