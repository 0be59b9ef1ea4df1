"""The operator, executed without a run of Airflow."""

from __future__ import annotations

from datetime import date
from typing import Any

from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from tests.support.days import today


def operator(
    destination: Any, day: date | None = None, **arguments: Any
) -> UnsubscribeToParquetOperator:
    """Return the operator that lands the list of a day, by default of today.

    :param day: the argument ``snapshot_date``, unless that is among the arguments
    """
    arguments.setdefault("snapshot_date", str(day or today()))
    return UnsubscribeToParquetOperator(task_id="land", destination=str(destination), **arguments)


def land(destination: Any, day: date | None = None, **arguments: Any) -> dict[str, Any]:
    """Land the list as a task does; return the receipt."""
    return operator(destination, day, **arguments).execute({})
