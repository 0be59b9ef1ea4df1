"""What an argument of the operator may say, checked once templates are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import ObjectStoragePath

from mailpartner_provider import partitions
from mailpartner_provider.destinations import Destination, LocalFolder, ObjectStore
from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.landing import Origin, Terms

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
        day, source = partitions.resolve_snapshot_date(snapshot_date, run, zone)
    except ValueError as error:
        raise WrongArgument(str(error)) from None
    today = partitions.day_of(datetime.now(timezone.utc), zone)
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
    if on_empty not in ON_EMPTY:
        raise WrongArgument(f"on_empty: expected 'write', 'skip' or 'fail', got {on_empty!r}")
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
