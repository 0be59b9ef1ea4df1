"""Receipts at a glance: whether today was landed, and how the list has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.days import day_of, parse_utc
from mailpartner_provider.lake.receipts import ChangesReceipt, SnapshotReceipt

LANDED, DUE, LATE = "landed", "due", "late"


class Landing(NamedTuple):
    """One day of a destination, compared with the snapshot before it, if there is one.

    ``added`` and ``removed`` are known where changes were landed too. ``observed_at`` is in the
    destination's zone.
    """

    day: date
    status: str
    rows: int
    net: int | None
    added: int | None
    removed: int | None
    rejected: int
    observed_at: datetime
    duration_seconds: float


class Overview(NamedTuple):
    """One destination, as the user wrote it and as a URI: its state, and its landings.

    The state is ``landed`` (today), ``due`` (last landed yesterday) or ``late``. The newest landing
    comes first.
    """

    destination: str
    uri: str
    state: str
    verdict: str
    landings: Sequence[Landing]


def overview_of(
    destination: str,
    uri: str,
    receipts: Sequence[SnapshotReceipt],
    changes: Mapping[str, ChangesReceipt],
    now: datetime,
) -> Overview:
    """Summarise the receipts of a destination.

    :param receipts: the newest first
    :param changes: receipts of changes, by the URI of their current snapshot
    """
    if not receipts:
        return Overview(destination, uri, LATE, "Nothing landed yet", [])
    landings = [_landing(receipt, changes.get(receipt.uri)) for receipt in receipts]
    zone = ZoneInfo(receipts[0].timezone)
    state, verdict = _verdict(landings[0].day, day_of(now, zone), zone)
    return Overview(destination, uri, state, verdict, landings)


def _verdict(last: date, today: date, zone: ZoneInfo) -> tuple[str, str]:
    written = f"{today:%A} {today.day} {today:%B}"
    days = (today - last).days
    if days <= 0:
        return LANDED, f"Landed today, {written}"
    ago = "yesterday" if days == 1 else f"{days} days ago"
    state = DUE if days == 1 else LATE
    return state, f"Not landed today, {written} in {zone.key}; the last landing was {ago}"


def _landing(receipt: SnapshotReceipt, changes: ChangesReceipt | None) -> Landing:
    before = receipt.previous_rows
    compared = changes if changes and changes.previous_snapshot_date else None
    return Landing(
        day=receipt.day,
        status=receipt.status,
        rows=receipt.rows,
        net=None if before is None else receipt.rows - before,
        added=compared.added if compared else None,
        removed=compared.removed if compared else None,
        rejected=receipt.rejected,
        observed_at=parse_utc(receipt.observed_at).astimezone(ZoneInfo(receipt.timezone)),
        duration_seconds=receipt.duration_seconds,
    )
