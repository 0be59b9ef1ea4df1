"""The arguments of the operators, checked when a DAG is parsed and once templates are rendered.

This module loads nothing heavy, because every DAG file that has an operator needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from mailpartner_provider.days import (
    RUN_INSTANTS,
    day_of,
    parse_partition_key,
    resolve_snapshot_date,
)
from mailpartner_provider.errors import RequestFailed, WrongArgument
from mailpartner_provider.lake.layouts import LAYOUTS, SNAPSHOT
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.privacy.email_modes import EMAIL_MODES
from mailpartner_provider.warehouse.request import CHANGES, DATASETS, REMOVED_DAYS, check_name

#: How far the clock of a worker may be behind that of the scheduler.
CLOCK_SKEW = timedelta(minutes=5)
ON_EMPTY = ("write", "skip", "fail")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_zone(name: Any) -> ZoneInfo:
    """Read ``timezone``: a name of the IANA database."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        pass
    raise WrongArgument(f"timezone: expected a name such as 'Europe/Paris', got {name!r}")


def check_date(snapshot_date: Any) -> None:
    """Check a ``snapshot_date`` that is no template; None is the day of the run."""
    try:
        resolve_snapshot_date(snapshot_date, {"run_after": _LONG_AGO}, timezone.utc)
    except ValueError as error:
        raise WrongArgument(str(error)) from None


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


def current_day(zone: tzinfo, ahead: timedelta = timedelta()) -> date:
    """Return the day that it is in a zone, now or some time ahead."""
    return day_of(datetime.now(timezone.utc) + ahead, zone)


def utc_day() -> date:
    """Return the day that it is in UTC."""
    return current_day(timezone.utc)


def read_task_run(context: Mapping[str, Any], task_id: str, conn_id: str | None = None) -> TaskRun:
    """Return the run of the task that lands, where there is one."""
    ti = context.get("ti")
    if ti is None:
        return TaskRun(conn_id, task_id=task_id)
    map_index = getattr(ti, "map_index", -1)
    return TaskRun(conn_id, ti.dag_id, ti.task_id, ti.run_id, map_index if map_index >= 0 else None)


def is_fixed(value: Any) -> bool:
    """Return whether an argument is settled: neither a template nor the output of a task."""
    if isinstance(value, str):
        return not any(begin in value for begin in ("{{", "{%", "{#"))
    return value is None or isinstance(value, int | float | date)


def check_fixed(value: Any, check: Callable[..., object], *more: Any, **limits: Any) -> None:
    """Check an argument when the DAG is parsed, if it is settled by then.

    :param more: further arguments of ``check``, such as the name of the argument
    """
    if is_fixed(value):
        check(value, *more, **limits)


def read_on_empty(on_empty: Any) -> str:
    """Read ``on_empty``."""
    return _one_of(ON_EMPTY, on_empty, "on_empty")


def read_count(count: Any, argument: str, least: int = 0) -> int:
    """Read a count, such as ``max_rejected``, which may be the text that a template gave."""
    if isinstance(count, str) and re.fullmatch("[0-9]{1,18}", count.strip()):
        count = int(count)
    if type(count) is int and count >= least:
        return count
    raise WrongArgument(f"{argument}: expected a count of {least} or more, got {count!r}")


def read_share(share: Any, argument: str) -> float:
    """Read ``max_shrink`` or ``max_removed``, which may be the text that a template gave.

    None is refused: a template that gives nothing must not turn the guard off.
    """
    with suppress(ValueError):
        share = float(share) if isinstance(share, str) else share
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
        return share
    raise WrongArgument(f"{argument}: expected a share from 0 to 1 (1: no limit), got {share!r}")


def read_email_mode(email_mode: Any) -> str:
    """Read ``email_mode``."""
    return _one_of(EMAIL_MODES, email_mode, "email_mode")


def read_partition_by(partition_by: Any) -> str:
    """Read ``partition_by``."""
    return _one_of(LAYOUTS, partition_by, "partition_by")


def read_switch(switch: Any, argument: str) -> bool:
    """Read a truth value, also from the text of a rendered template."""
    known = {"true": True, "false": False}
    if isinstance(switch, str) and switch.strip().lower() in known:
        return known[switch.strip().lower()]
    if isinstance(switch, bool):
        return switch
    raise WrongArgument(f"{argument}: expected True or False, got {switch!r}")


def read_column(column: Any) -> str:
    """Read ``column``."""
    if isinstance(column, str) and column:
        return column
    raise WrongArgument(f"column: expected the name of a column, got {column!r}")


def read_run_day(context: Mapping[str, Any]) -> date:
    """Return the day of the run in UTC; the present day outside of a run."""
    try:
        return resolve_snapshot_date(None, _dates_of_run(context), timezone.utc)[0]
    except ValueError:
        return utc_day()


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


def read_account(account: Any) -> str | None:
    """Read ``account``; None is the connection id in the newest receipt.

    The text "None" is refused, because a template makes it of nothing.
    """
    if account is None or (isinstance(account, str) and account.strip() not in ("", "None")):
        return account
    raise WrongArgument(f"account: expected a name, or None without a template, got {account!r}")


def read_table_in_namespace(table: Any) -> str:
    """Read ``table`` of an Iceberg catalog, in which every table has a namespace."""
    if "." in check_name(table, "table"):
        return str(table)
    raise WrongArgument(
        f"table: expected a namespace and a name, such as 'mailpartner.{table}', got {table!r}"
    )


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
    dag_run = context.get("dag_run")
    dates = {name: context.get(name) for name in ("partition_key", *RUN_INSTANTS)}
    dates["run_after"] = getattr(dag_run, "run_after", None)
    if "partition_key" not in context:  # Airflow 3.2 names it to the run only
        key = getattr(dag_run, "partition_key", None)
        instant = parse_partition_key(key, _zone_of_timetable(context))
        dates |= {"partition_date": instant} if instant else {"partition_key": key}
    return dates


def _zone_of_timetable(context: Mapping[str, Any]) -> tzinfo | None:
    """Return the zone of the DAG's timetable, for which Airflow 3.2 counts partitions in UTC."""
    zone = getattr(getattr(context.get("dag"), "timetable", None), "timezone", None)
    if isinstance(zone, str):
        return read_zone(zone)
    return zone if isinstance(zone, tzinfo) else None


def _one_of(choices: Sequence[str], value: Any, argument: str) -> str:
    if value in choices:
        return str(value)
    *others, last = map(repr, choices)
    raise WrongArgument(f"{argument}: expected {', '.join(others)} or {last}, got {value!r}")
