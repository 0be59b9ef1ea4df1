"""What erased people cost a landing: ``python -m benchmarks.erased [RECORDS]``.

Lands a list into a destination from which nobody was erased, one person, and a thousand; three
times in turns, each in a new process. Prints the least CPU seconds of each as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

ROUNDS = 3
ERASED = (0, 1, 1000)


def main(records: int) -> None:
    """Measure each number of erased people."""
    from benchmarks.server import list_file, serving

    costs: dict[int, list[float]] = {count: [] for count in ERASED}
    with tempfile.TemporaryDirectory(prefix="mailpartner-bench-") as folder:
        file = list_file(Path(folder), records)
        with serving(Path(folder)) as url:
            for count in ERASED * ROUNDS:
                command = [sys.executable, "-m", "benchmarks.erased", "--of"]
                command += [f"{url}/{file.name}", str(count)]
                done = subprocess.run(command, check=True, capture_output=True)
                costs[count].append(float(done.stdout.splitlines()[-1]))
    least = {f"{count} erased": round(min(each), 2) for count, each in costs.items()}
    print(json.dumps({"records": records, "cpu_seconds": least}))


def measure(base_url: str, count: int) -> None:
    """Erase people who are not on the list, land it, and print the CPU seconds of the landing."""
    from benchmarks.methods import mailpartner_provider

    land = mailpartner_provider()
    from mailpartner_provider.lake.local import LocalFolder
    from mailpartner_provider.privacy.erasure import erase

    with tempfile.TemporaryDirectory(prefix="mailpartner-bench-") as folder:
        destination = Path(folder)
        if count:
            people = [f"erased.person.{number}@example.org" for number in range(count)]
            erase(LocalFolder(destination), people, [], datetime.now(timezone.utc))
        began = time.process_time()
        land(base_url, destination)
        print(time.process_time() - began, file=sys.__stdout__)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
