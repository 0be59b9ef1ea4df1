"""The operator of changes, executed without a run of Airflow, and what it publishes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.history import days_with_receipts, receipts
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.support.days import today
from tests.support.lake import Lake

AT = datetime(2015, 7, 20, 8, 19, 45, tzinfo=timezone.utc)
ANNE = (1, "anne@example.com", AT, None)
BJORN = (2, "björn@example.com", None, None)
CARLA = (3, "Carla@Example.com", AT, '{"reason":"spam"}')
DORA = (4, "dora@example.com", AT, None)


def comparing(
    source: Any, destination: Any, day: date | None = None, **arguments: Any
) -> UnsubscribeChangesOperator:
    """Return the operator that lands the changes of a day, by default of today.

    :param day: the argument ``snapshot_date``, unless that is among the arguments
    """
    arguments.setdefault("snapshot_date", str(day or today()))
    return UnsubscribeChangesOperator(
        task_id="compare", source=str(source), destination=str(destination), **arguments
    )


def compare(source: Any, destination: Any, **arguments: Any) -> dict[str, Any]:
    """Land today's changes as a task does, however many were removed; return the receipt.

    A feed that is still empty begins with the last live snapshot before today.
    """
    arguments = {"max_removed": None, **arguments}
    begin(source, destination)
    return comparing(source, destination, **arguments).execute({})


def begin(source: Any, destination: Any) -> None:
    """Land the changes of the last live snapshot before today, if there are none yet."""
    if days_with_receipts(open_destination(str(destination))):
        return
    earlier = receipts(open_destination(str(source)))
    live = (each.day for each in earlier if each.status == "live" and each.day < today())
    if day := next(live, None):
        comparing(source, destination, day, max_removed=None).execute({})


def changes(feed: Lake) -> list[tuple[str, tuple]]:
    """Read today's changes: the kind of each, and the record."""
    return [
        (row["change"], (row["id"], row["email"], row["created_at"], row["extra_fields"]))
        for row in feed.rows()
    ]
