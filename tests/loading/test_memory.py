"""The memory of a load."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.loading import make_lake


@pytest.mark.engine
def test_memory(tmp_path):
    """Ten times the rows need hardly more memory in DuckDB, which keeps what it wrote."""
    peaks = []
    for records in (1_000_000, 10_000_000):
        lake = tmp_path / f"lake-{records}"
        make_lake(lake, records)
        connection = {"conn_type": "duckdb", "host": str(lake / "warehouse.duckdb")}
        command = [sys.executable, "-m", "benchmarks.loading", "--of", "duckdb", str(lake)]
        environment = {**os.environ, "AIRFLOW_CONN_WAREHOUSE": json.dumps(connection)}
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        peaks.append(json.loads(done.stdout.splitlines()[-1])["peak_mb"])

    assert peaks[1] < 1.15 * peaks[0]
