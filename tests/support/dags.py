"""DAGs that land."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import count, pairwise
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator

from tests.conftest import PARIS, TODAY

FIVE_DAYS_AGO = TODAY - timedelta(days=5)
NOON = datetime.combine(TODAY, time(12), PARIS)
LONG_AGO = datetime(2020, 1, 1, tzinfo=PARIS)

_numbers = count(1)


class Step(BaseOperator):
    """A task that does what a test says."""

    def __init__(self, does: Callable[[Any], object] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.does = does

    def execute(self, context: Any) -> None:
        if self.does:
            self.does(context)


def dag_of(
    *tasks: BaseOperator, schedule: Any = None, due: datetime | None = None, **arguments: Any
) -> DAG:
    """Put tasks in a row into a new DAG; a timetable starts it once, at ``due``."""
    dag = DAG(
        f"runs_{next(_numbers)}",
        schedule=schedule,
        start_date=due or LONG_AGO,
        end_date=due,
        catchup=True,
        **arguments,
    )
    dag.add_tasks(tasks)
    for first, second in pairwise(tasks):
        first >> second
    return dag


def midnight(day: date, zone: tzinfo = PARIS) -> datetime:
    """Return the instant at which a day begins."""
    return datetime.combine(day, time(), zone)
