"""An Airflow home of our own; settled here, for Airflow reads its settings when first imported."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
LINEAGE = HOME / "lineage.jsonl"
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",  # it would hide Airflow 3's empty intervals
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
    # Runs fork, and a connection to SQLite that is open in two processes can damage the database.
    AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED="False",
    AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS=(  # it would ask the warehouse, after the test
        "airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator"
    ),
    AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD="True",
    AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps(
        {"type": "file", "log_file_path": str(LINEAGE), "append": True}
    ),
)
