"""Compare a landing with other methods, and write the results (``make bench``)."""

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
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from benchmarks.server import UNUSUAL, list_file, serving, serving_s3

FOLDER = Path(__file__).parent
CACHE = FOLDER.parent / ".bench"
DOCS = FOLDER.parent / "docs"
OURS = "mailpartner-provider"
OURS_S3 = f"{OURS}, S3"
PEERS = ("pandas", "polars", "DuckDB", "dlt")
ON_ONE_CORE = (OURS, "pandas", "polars", "DuckDB")
LOWER_BOUNDS = ("parse and write only", "download only")
DLT_LIMIT = 1_000_000  # more records take it minutes


class Job(NamedTuple):
    """One method for one list, on all cores or on one."""

    method: str
    file: str
    on_one_core: bool = False


Costs = dict[Job, dict[str, float]]


def main() -> None:
    """Measure, and print the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 5_000_000])
    options.add_argument("--curve", type=int, nargs="*", default=[10**4, 10**5, 10**6, 10**7])
    options.add_argument("--unusual", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--write", action="store_true", help="replace RESULTS.md and the figures of docs"
    )
    given = options.parse_args()

    lists = {size: list_file(CACHE, size).name for size in {*given.sizes, *given.curve}}
    unusual = {kind: list_file(CACHE, given.unusual, kind).name for kind in UNUSUAL}
    jobs = [
        Job(method, lists[size])
        for size in given.sizes
        for method in (OURS, *PEERS, *LOWER_BOUNDS)
        if method != "dlt" or size <= DLT_LIMIT
    ]
    jobs += [job._replace(on_one_core=True) for job in jobs if job.method in ON_ONE_CORE]
    jobs += [Job(method, file) for file in unusual.values() for method in (OURS, "pandas")]
    jobs += [Job(OURS, lists[size]) for size in given.curve if size not in given.sizes]
    jobs += [Job(OURS_S3, lists[size]) for size in given.curve]
    costs = measure(jobs, given.rounds)

    text = "\n".join(
        [
            introduction(given.rounds),
            startup_table(),
            *(size_table(costs, size, lists[size]) for size in given.sizes),
            unusual_table(costs, unusual, given.unusual),
            curve_table(costs, {size: lists[size] for size in sorted(given.curve)}),
        ]
    )
    print(text)
    if given.write:
        largest = max(given.sizes)
        (FOLDER / "RESULTS.md").write_text(text)
        update_page(text.splitlines()[2], size_table(costs, largest, lists[largest]))
        draw(costs, largest, lists[largest])


def measure(jobs: list[Job], rounds: int, folder: Path = CACHE) -> Costs:
    """Run every job once per round; return the median of each figure."""
    figures: dict[Job, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    in_s3 = any(job.method == OURS_S3 for job in jobs)
    with serving(folder) as address, serving_s3() if in_s3 else nullcontext({}) as environment:
        for turn in range(rounds):
            for job in jobs:
                print(f"round {turn + 1} of {rounds}: {job.method}, {job.file}", file=sys.stderr)
                for name, figure in run_job(job, address, environment).items():
                    figures[job][name].append(figure)
    return {
        job: {name: statistics.median(seen) for name, seen in each.items()}
        for job, each in figures.items()
    }


def run_job(job: Job, address: str, environment: dict[str, str]) -> dict[str, float]:
    """Run a job in a new process; return its figures."""
    folder = tempfile.mkdtemp(prefix="mailpartner-bench-")
    command = [
        sys.executable,
        "-m",
        "benchmarks.methods",
        job.method,
        f"{address}/{job.file}",
        folder,
    ]
    if job.on_one_core:
        command = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0))), *command]
    try:
        done = subprocess.run(
            command,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def introduction(rounds: int) -> str:
    """Return the title, and when, where and how it was measured."""
    today = datetime.now(timezone.utc).date()
    return (
        "# Benchmarks\n\n"
        f"Measured on {today} with `make bench` on {os.cpu_count()} cores of {processor()}, Python "
        f"{platform.python_version()}, over loopback: medians of {rounds} rounds; in each round, "
        "every method runs once in a new process.\n"
    )


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def size_table(costs: Costs, size: int, file: str) -> str:
    """Return the table of one size: every method, and the lower bounds."""
    ours = costs[Job(OURS, file)]
    rows = [
        f"## {size:,} records\n",
        "| method | seconds | on one core | CPU seconds | peak memory, MB | bytes per record "
        "| relative time |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for method in (OURS, *PEERS, *LOWER_BOUNDS):
        if cost := costs.get(Job(method, file)):
            pinned = costs.get(Job(method, file, on_one_core=True))
            on_one_core = f"{pinned['seconds']:.2f}" if pinned else ""
            rows.append(
                f"| {method} | {cost['seconds']:.2f} | {on_one_core} | {cost['cpu_seconds']:.2f} | "
                f"{cost['peak_bytes'] / 2**20:,.0f} | {cost['file_bytes'] / size:.1f} | "
                f"{cost['seconds'] / ours['seconds']:.1f} |"
            )
    return "\n".join(rows) + "\n"


def unusual_table(costs: Costs, files: dict[str, str], size: int) -> str:
    """Return the table of answers that are valid but unusual."""
    rows = [
        f"## Unusual answers, {size:,} records\n",
        "| answer | seconds | pandas, seconds | pandas, relative time | memory above idle, MB |",
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
    """Return the table of the memory of a landing, by the length of the list."""
    rows = [
        "## Memory of a landing\n",
        "Peak above the idle process, in MB. S3 is moto's server, in another process.\n",
        "| records | into a folder | into S3 |",
        "| --: | --: | --: |",
    ]
    for size, file in files.items():
        folder, s3 = (above_idle(costs[Job(method, file)]) for method in (OURS, OURS_S3))
        rows.append(f"| {size:,} | {folder:,.0f} | {s3:,.0f} |")
    return "\n".join(rows) + "\n"


def startup_table(processes: int = 5) -> str:
    """Return the table of the provider's fixed costs."""
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
        "## Start-up\n\n"
        "| what | |\n| --- | --: |\n"
        f"| import of the operator, in addition to what every DAG imports | {import_ms:.1f} ms |\n"
        f"| modules that this import adds | {modules:.0f} |\n"
        f"| pyarrow, pandas, numpy, requests among these | {heavy:.0f} |\n"
        f"| landing of 1,000 records, in a process that has landed before | {short_ms:.1f} ms |\n"
    )


def above_idle(cost: dict[str, float]) -> float:
    """Return the peak memory above that of the idle process, in MB."""
    return (cost["peak_bytes"] - cost["idle_bytes"]) / 2**20


def update_page(introduction: str, table: str) -> None:
    """Replace the table between the marks in the page on speed."""
    page = DOCS / "explanation" / "speed.md"
    head, mark, rest = page.read_text().partition("<!-- figures -->\n")
    _, end, tail = rest.partition("<!-- end of figures -->\n")
    rows = "\n".join(table.splitlines()[2:])
    page.write_text(f"{head}{mark}{rows}\n\n{introduction}\n{end}{tail}")


def draw(costs: Costs, size: int, file: str) -> None:
    """Draw the time and the memory of every method at the largest size."""
    from matplotlib import pyplot

    shown = {
        method: costs[Job(method, file)] for method in (OURS, *PEERS) if Job(method, file) in costs
    }
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
    figure.savefig(DOCS / "images" / "speed.png", dpi=150)


if __name__ == "__main__":
    main()
