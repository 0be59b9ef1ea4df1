"""A site's own rules: runs by hand only, a pool for the landings, retries that come soon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.timetables.simple import NullTimetable


def dag_policy(dag: Any) -> None:
    """Remove a DAG's schedule; Airflow calls this for each DAG."""
    dag.timetable = NullTimetable()


def task_policy(task: Any) -> None:
    """Put every landing into the pool; Airflow calls this for each task."""
    task.retry_delay = timedelta(seconds=2)
    if task.task_type == "UnsubscribeToParquetOperator":
        task.pool = "mailpartner"
