"""The cost of erasing people: ``python -m benchmarks.erasing [DAYS [RECORDS]]``.

Writes the same list for each day. Then erases a person who is on no list, and a person who is on
every list, each in a new process, and prints the time and memory of each as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

NOBODY = "erased.person@example.org"


def main(days: int = 400, records: int = 200_000) -> None:
    """Write the snapshots in this process, erase in new ones."""
    from benchmarks.changes import DAY, address, make_snapshot

    with tempfile.TemporaryDirectory(prefix="mailpartner-bench-") as folder:
        for number in range(days):
            make_snapshot(Path(folder), DAY - timedelta(days=number), range(records))
        for name, email in ("on no list", NOBODY), ("on every list", address(records // 2)):
            command = [sys.executable, "-m", "benchmarks.erasing", "--of", folder, email]
            cost = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(json.dumps({"days": days, "records": records, "person": name, **cost}))


def measure(folder: Path, email: str) -> None:
    """Erase one person; print the time, the memory and the number of replaced files."""
    from benchmarks.methods import memory
    from mailpartner_provider.lake.local import LocalFolder
    from mailpartner_provider.privacy.erasure import erase

    idle_bytes = memory("VmRSS")
    began, began_cpu = time.perf_counter(), time.process_time()
    report = erase(LocalFolder(folder), [email], [], datetime.now(timezone.utc))
    cost = {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - began_cpu, 2),
        "peak_bytes": memory("VmHWM"),
        "idle_bytes": idle_bytes,
        "files": len(report.files),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        measure(Path(sys.argv[2]), sys.argv[3])
    else:
        main(*[int(each) for each in sys.argv[1:]])
