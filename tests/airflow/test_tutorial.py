"""The tutorial's two DAGs work together: the second loads what the first has landed."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import duckdb
import pytest

from tests.support.api import THREE
from tests.support.docs import block
from tests.support.runs import AIRFLOW, load_all, run_by_scheduler

pytestmark = [
    pytest.mark.usefixtures("database", "api"),
    pytest.mark.skipif(AIRFLOW < (3,), reason="Airflow 2 has no assets, which it calls datasets"),
]


def test_dags(tmp_path, monkeypatch):
    """Airflow's scheduler runs the landing, and its asset runs the loading."""
    code = block("docs/tutorial.md", "python", "opt_outs_load")
    file = tmp_path / "opt_outs.py"
    database = str(tmp_path / "warehouse.duckdb")
    connection = json.dumps({"conn_type": "duckdb", "host": database})
    monkeypatch.setenv("AIRFLOW_CONN_DUCKDB_DEFAULT", connection)
    due = f"0 {datetime.now(timezone.utc).hour} * * *"  # in this hour, and so on this day in Paris
    code = code.replace('"30 6 * * *"', repr(due)).replace("/tmp/lake", str(tmp_path / "lake"))
    file.write_text(code)

    runs = {run.dag_run.dag_id: run.states for run in run_by_scheduler(*load_all(file))}

    assert {"load": "success"} == runs["opt_outs_load"]
    assert "success" == runs["opt_outs_land"]["land"]
    with duckdb.connect(database) as warehouse:
        ids = [
            id for (id,) in warehouse.execute("FROM unsubscribes SELECT id ORDER BY id").fetchall()
        ]
    assert [row["id"] for row in THREE] == ids
