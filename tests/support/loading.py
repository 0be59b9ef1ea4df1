"""The examples that load."""

from __future__ import annotations

import runpy
from typing import Any

from tests.support.project import EXAMPLES

LOADING = sorted(file.stem for file in EXAMPLES.glob("mailpartner_load_*.py"))

HOSTILE = {
    "snapshot_date": "2026-11-23' OR '' = '",
    "uri": "gs://lake/'] ); DROP TABLE mailpartner.unsubscribes; --\\'",
    "rows": "3 THEN '1' ELSE '1' END AS INT); --",
}


def names_of(example: str) -> dict[str, Any]:
    """Run the file of an example; give what it defines."""
    return runpy.run_path(str(EXAMPLES / f"{example}.py"))
