"""The arguments of the operators, checked once templates are rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from mailpartner_provider.days import RUN_INSTANTS, day_of, resolve_snapshot_date
from mailpartner_provider.errors import RequestFailed, WrongArgument
from mailpartner_provider.lake.layouts import LAYOUTS, SNAPSHOT
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.privacy.hashing import EMAIL_MODES
from mailpartner_provider.snapshots.request import Limits
from mailpartner_provider.warehouse.request import CHANGES, DATASETS, REMOVED_DAYS, check_name

#: How far the clock of a worker may be behind that of the scheduler.
CLOCK_SKEW = timedelta(minutes=5)
ON_EMPTY = ("write", "skip", "fail")


def read_zone(name: Any) -> ZoneInfo:
    """Read ``timezone``: a name of the IANA database."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        pass
    raise WrongArgument(f"timezone: expected a name such as 'Europe/Paris', got {name!r}")


def read_day(
    snapshot_date: str | date | None, context: Mapping[str, Any], zone: ZoneInfo
) -> tuple[date, str]:
    """Return the day to land, which must have begun, and the name of what decided it."""
    try:
        day, reason = resolve_snapshot_date(snapshot_date, _dates_of_run(context), zone)
    except ValueError as error:
        raise WrongArgument(str(error)) from None
    if day > (today := current_day(zone)):
        text = f"snapshot_date: {day} (from {reason}) is in the future; it is {today} in {zone.key}"
        if day == current_day(zone, ahead=CLOCK_SKEW):
            raise RequestFailed(f"{text}, but not for long: run the task again")
        raise WrongArgument(text)
    return day, reason


def current_day(zone: ZoneInfo, ahead: timedelta = timedelta()) -> date:
    """Return the present day in a zone, or the day that it will be then."""
    return day_of(datetime.now(timezone.utc) + ahead, zone)


def read_task_run(context: Mapping[str, Any], task_id: str, conn_id: str | None = None) -> TaskRun:
    """Return the run of the task that lands, where there is one."""
    ti = context.get("ti")
    if ti is None:
        return TaskRun(conn_id, task_id=task_id)
    map_index = getattr(ti, "map_index", -1)
    return TaskRun(conn_id, ti.dag_id, ti.task_id, ti.run_id, map_index if map_index >= 0 else None)


def read_limits(on_empty: Any, max_rejected: Any, max_shrink: Any) -> Limits:
    """Read ``on_empty``, ``max_rejected`` and ``max_shrink``."""
    on_empty = _one_of(ON_EMPTY, on_empty, "on_empty")
    if type(max_rejected) is not int or max_rejected < 0:
        raise WrongArgument(f"max_rejected: expected a count of 0 or more, got {max_rejected!r}")
    max_shrink = read_share(max_shrink, "max_shrink")
    return Limits(on_empty=on_empty, max_rejected=max_rejected, max_shrink=max_shrink)


def read_share(share: Any, argument: str) -> float | None:
    """Read ``max_shrink`` or ``max_removed``."""
    if share is None:
        return None
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
        return share
    raise WrongArgument(
        f"{argument}: expected a share from 0 to 1, or None to turn it off, got {share!r}"
    )


def read_email_mode(email_mode: Any) -> str:
    """Read ``email_mode``."""
    return _one_of(EMAIL_MODES, email_mode, "email_mode")


def read_partition_by(partition_by: Any) -> str:
    """Read ``partition_by``."""
    return _one_of(LAYOUTS, partition_by, "partition_by")


def read_keep_days(keep_days: Any, partition_by: str) -> int | None:
    """Read ``keep_days``, which only applies to snapshots."""
    if keep_days is None:
        return None
    if type(keep_days) is not int or keep_days < 1:
        raise WrongArgument(
            f"keep_days: expected a number of days of 1 or more, or None to keep all, got "
            f"{keep_days!r}"
        )
    if partition_by != SNAPSHOT:
        raise WrongArgument(
            f"keep_days: only applies to partition_by={SNAPSHOT!r}; the partitions of "
            f"{partition_by!r} are the list as it is now, none of which is too old"
        )
    return keep_days


def read_dataset(dataset: Any) -> str:
    """Read ``dataset``."""
    return _one_of(DATASETS, dataset, "dataset")


def read_table(table: Any) -> str:
    """Read ``table``."""
    return check_name(table, "table")


def read_removed_days(removed_days: Any) -> str:
    """Read ``removed_days``."""
    return _one_of(REMOVED_DAYS, removed_days, "removed_days")


def read_history_view(history_view: Any, dataset: str) -> str | None:
    """Read ``history_view``, which only changes can have."""
    if history_view is None:
        return None
    if dataset != CHANGES:
        raise WrongArgument(f"history_view: only applies to dataset={CHANGES!r}")
    return check_name(history_view, "history_view")


def _dates_of_run(context: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the dates of a run; many kinds of run lack some of them."""
    run_after = getattr(context.get("dag_run"), "run_after", None)
    return {
        **{name: context.get(name) for name in ("partition_key", *RUN_INSTANTS)},
        "run_after": run_after,
    }


def _one_of(choices: Sequence[str], value: Any, argument: str) -> str:
    if value in choices:
        return str(value)
    *others, last = map(repr, choices)
    raise WrongArgument(f"{argument}: expected {', '.join(others)} or {last}, got {value!r}")
