"""The fixed costs of the provider: importing it, and landing a short list.

Prints JSON: the milliseconds and the modules that an import of the operator adds to a DAG file, and
the milliseconds to land a thousand records in a process that has landed before.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.methods import KEY, mailpartner_provider, make_airflow_home

SHORT = 1000
HEAVY = {"numpy", "pandas", "pyarrow", "requests"}

make_airflow_home()


def main() -> None:
    """Measure in this process, which has imported nothing yet."""
    from airflow.sdk import DAG, Asset, BaseOperator

    before = set(sys.modules)
    began = time.perf_counter()
    import mailpartner_provider.operators.unsubscribe_to_parquet

    import_ms = 1000 * (time.perf_counter() - began)
    added = sorted(set(sys.modules) - before)
    cost = {
        "import_ms": import_ms,
        "modules": len(added),
        "heavy_modules": len(HEAVY & {name.partition(".")[0] for name in added}),
        "short_ms": land_short(),
    }
    print(json.dumps(cost), file=sys.__stdout__)


def land_short() -> float:
    """Land a short list several times; return the median in milliseconds."""
    from benchmarks.server import FIRST, LAST
    from mailpartner_provider.testing.lists import make_unsubscribes
    from mailpartner_provider.testing.server import StandIn

    land = mailpartner_provider()
    people = make_unsubscribes(SHORT, first=FIRST, last=LAST)
    seconds = []
    with StandIn(list(people), key=KEY) as api, tempfile.TemporaryDirectory() as folder:
        for turn in range(6):
            began = time.perf_counter()
            land(api.url, Path(folder) / str(turn))
            seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
