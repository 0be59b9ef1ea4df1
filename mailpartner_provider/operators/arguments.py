"""What an argument of the operator may say, checked once templates are rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import ObjectStoragePath

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake import names
from mailpartner_provider.lake.layouts import LAYOUTS, SNAPSHOT
from mailpartner_provider.lake.storage import Destination, LocalFolder, ObjectStore
from mailpartner_provider.privacy.hashing import EMAIL_MODES
from mailpartner_provider.snapshots.landing import Origin, Terms

ON_EMPTY = ("write", "skip", "fail")


def read_zone(name: Any) -> ZoneInfo:
    """Read ``timezone``: a name of the IANA database."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        pass
    raise WrongArgument(f"timezone: expected a name such as 'Europe/Paris', got {name!r}")


def read_day(
    snapshot_date: str | date | None, run: Mapping[str, Any], zone: ZoneInfo
) -> tuple[date, str]:
    """Settle the day, which must have begun, and name what decided it."""
    try:
        day, source = names.resolve_snapshot_date(snapshot_date, run, zone)
    except ValueError as error:
        raise WrongArgument(str(error)) from None
    today = names.day_of(datetime.now(timezone.utc), zone)
    if day > today:
        raise WrongArgument(
            f"snapshot_date: {day} (from {source}) is in the future; it is {today} in {zone.key}"
        )
    return day, source


def dates_of_run(context: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what Airflow says of the run's time; many kinds of run lack some of it."""
    names = ("partition_key", "partition_date", "data_interval_end", "logical_date")
    run_after = getattr(context.get("dag_run"), "run_after", None)
    return {**{name: context.get(name) for name in names}, "run_after": run_after}


def origin_of(context: Mapping[str, Any], task_id: str, conn_id: str | None = None) -> Origin:
    """Tell who lands: the connection, and the run of the task where there is one."""
    ti = context.get("ti")
    if ti is None:
        return Origin(conn_id, task_id=task_id)
    return Origin(conn_id, ti.dag_id, ti.task_id, ti.run_id)


def read_terms(on_empty: Any, max_rejected: Any, max_shrink: Any) -> Terms:
    """Read ``on_empty``, ``max_rejected`` and ``max_shrink``."""
    on_empty = _one_of(ON_EMPTY, on_empty, "on_empty")
    if type(max_rejected) is not int or max_rejected < 0:
        raise WrongArgument(f"max_rejected: expected a count of 0 or more, got {max_rejected!r}")
    max_shrink = read_share(max_shrink, "max_shrink")
    return Terms(on_empty=on_empty, max_rejected=max_rejected, max_shrink=max_shrink)


def read_share(share: Any, name: str) -> float | None:
    """Read ``max_shrink`` or ``max_removed``."""
    if share is None:
        return None
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
        return share
    raise WrongArgument(
        f"{name}: expected a share from 0 to 1, or None to turn it off, got {share!r}"
    )


def read_email_mode(email_mode: Any) -> str:
    """Read ``email_mode``."""
    return _one_of(EMAIL_MODES, email_mode, "email_mode")


def read_partition_by(partition_by: Any) -> str:
    """Read ``partition_by``."""
    return _one_of(LAYOUTS, partition_by, "partition_by")


def read_keep_days(keep_days: Any, partition_by: str) -> int | None:
    """Read ``keep_days``, which is for snapshots."""
    if keep_days is None:
        return None
    if type(keep_days) is not int or keep_days < 1:
        raise WrongArgument(
            f"keep_days: expected a number of days of 1 or more, or None to keep all, got "
            f"{keep_days!r}"
        )
    if partition_by != SNAPSHOT:
        raise WrongArgument(
            f"keep_days: is for partition_by={SNAPSHOT!r}; the partitions of {partition_by!r} are "
            "the list as it is now, none of which is too old"
        )
    return keep_days


def open_destination(destination: Any, name: str = "destination") -> Destination:
    """Find the place that ``destination`` names: an absolute folder, or a URI Airflow can open."""
    text = str(destination or "").strip()
    expected = f"{name}: expected an absolute local folder or an object storage URI"
    if not text.startswith("/") and "://" not in text:
        raise WrongArgument(f"{expected}, got {text!r}")
    try:
        path = ObjectStoragePath(text)
        if path.protocol in ("", "file", "local"):
            return LocalFolder(Path(path.path))
        return ObjectStore(path.fs, path.path)
    except (ImportError, ValueError) as error:
        scheme = text.partition("://")[0]
        raise WrongArgument(
            f"{expected}; {scheme}:// cannot be opened here: {error} (for S3: "
            "pip install 'mailpartner-provider[s3]')"
        ) from error


def _one_of(choices: Sequence[str], value: Any, name: str) -> str:
    if value in choices:
        return str(value)
    *others, last = map(repr, choices)
    raise WrongArgument(f"{name}: expected {', '.join(others)} or {last}, got {value!r}")
