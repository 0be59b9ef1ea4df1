"""DAGs of a few tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count, pairwise
from typing import Any

from mailpartner_provider.compat import BaseOperator
from tests.support.days import PARIS
from tests.support.sdk import DAG

LONG_AGO = datetime(2020, 1, 1, tzinfo=PARIS)

_numbers = count(1)


class Step(BaseOperator):
    """A task that calls a function."""

    def __init__(self, does: Callable[[Any], object] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.does = does

    def execute(self, context: Any) -> None:
        if self.does:
            self.does(context)


def dag_of(
    *tasks: BaseOperator, schedule: Any = None, due: datetime | None = None, **arguments: Any
) -> DAG:
    """Return a new DAG of tasks in a row; a timetable starts it once, at ``due``."""
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
