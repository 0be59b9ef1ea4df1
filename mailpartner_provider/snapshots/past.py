"""Earlier landings: the receipts to compare a new list with, and what must not be overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from mailpartner_provider.days import parse_utc
from mailpartner_provider.errors import UnknownPartition
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import (
    days_until,
    earlier_days,
    receipt_of,
    receipts,
    refuse_another,
)
from mailpartner_provider.lake.layouts import CREATED, CreatedList, Snapshot
from mailpartner_provider.lake.names import RECEIPTS, receipt_file
from mailpartner_provider.lake.parquet import is_marked_backdated
from mailpartner_provider.lake.receipts import BACKDATED, LIVE, Receipt, SnapshotReceipt
from mailpartner_provider.snapshots.request import SnapshotRequest

log = logging.getLogger(__name__)


class Past(NamedTuple):
    """What was landed before.

    :param existing: the receipt of the day itself
    :param previous: the newest receipt of an earlier day
    :param newer: the newest receipt of a later day; None if there is none, or it was not needed
    :param published: the published files
    :param is_intact: whether the published files match ``existing``
    """

    existing: SnapshotReceipt | None
    previous: SnapshotReceipt | None
    newer: SnapshotReceipt | None
    published: Snapshot | CreatedList
    is_intact: bool

    @property
    def last(self) -> SnapshotReceipt | None:
        """The newest receipt up to and including the day."""
        return self.existing or self.previous

    @property
    def vouching(self) -> SnapshotReceipt | None:
        """The receipt of the day itself, if the published files match it."""
        return self.existing if self.is_intact else None

    @property
    def damaged(self) -> SnapshotReceipt | None:
        """The newer receipt of a list by day of opt-out, if the partitions are not that list.

        A backfill that met the landing of a later day may have replaced some of them.
        """
        if not self.newer or isinstance(self.published, Snapshot):
            return None
        return None if self.published.is_whole(self.newer) else self.newer


def read_past(commit: Commit, request: SnapshotRequest, today: date) -> Past:
    """Read what was landed before.

    :raises WrongArgument: the destination is of another dataset, layout, email mode or account
    """
    day, is_created = request.day, request.partition_by == CREATED
    existing = receipt_of(commit, day)
    # Read the previous day first: a daily landing of snapshots then need not list the receipts.
    previous, newer = _first(commit, islice(earlier_days(commit, day), 1)), None
    if previous is None or is_created or day < today:
        if is_created:
            _require_no_newer(commit, day, today)
        days = days_until(commit, today)
        newer = _first(commit, (found for found in days if found > day))
        previous = previous or _first(commit, (found for found in days if found < day))
    conn_id = request.run.conn_id
    refuse_another(
        newer or existing or previous,
        commit.uri(""),
        dataset=SnapshotReceipt.dataset,
        email_mode=request.email_mode.name,
        partition_by=request.partition_by,
        is_account=lambda other: conn_id in (None, other) or other == request.renamed_from(),
    )
    published = CreatedList(commit) if is_created else Snapshot(commit, day)
    own = _snapshot(existing)
    is_intact = own is not None and published.matches(own)
    return Past(own, _snapshot(previous), _snapshot(newer), published, is_intact)


def receipt_to_keep(
    request: SnapshotRequest, past: Past, *, is_live: bool, observed_at: datetime | None = None
) -> SnapshotReceipt | None:
    """Return the receipt of an existing landing that must not be overwritten, or None.

    A backdated snapshot never replaces a live one. Apart from that, a live snapshot replaces a
    backdated one, and a newer answer an older one. In the layout ``created``, which has only one
    list, the list of an earlier day never replaces that of a later day.

    :param observed_at: the instant at which the answer began; None before there is an answer
    :raises UnknownPartition: the partition may be the only live copy of its day, but its receipt is
        missing or does not match it
    """
    kept, existing = past.vouching, past.existing
    if past.newer and request.partition_by == CREATED:
        kept, reason = (
            past.newer,
            "a later day was landed, and this layout holds only the latest list",
        )
    elif not is_live and kept and kept.status == LIVE:
        reason = "it was taken on its own day, and today the API no longer lists who was removed"
    elif (
        kept
        and observed_at
        and observed_at < parse_utc(kept.observed_at)
        and not (is_live and kept.status == BACKDATED)
    ):
        reason = f"its answer ({kept.observed_at}) is newer than this one"
    else:
        if past.published.exists and not past.is_intact:
            _refuse_or_warn(past.published, existing, request, is_live=is_live)
        return None
    log.info("Kept the %s snapshot of %s: %s", kept.status, kept.snapshot_date, reason)
    return replace(kept, changed=False)


def _refuse_or_warn(
    published: Snapshot | CreatedList,
    existing: SnapshotReceipt | None,
    request: SnapshotRequest,
    *,
    is_live: bool,
) -> None:
    if isinstance(published, CreatedList) and not existing:
        return  # the first landing of this day
    uri = request.destination.uri(published.name)
    state = "does not match its receipt" if existing else "has no readable receipt"
    if isinstance(published, Snapshot) and not is_live and not _is_marked(published):
        raise UnknownPartition(
            f"{uri} {state} and may be the only live copy of its day: restore the receipt, or move "
            "the partition elsewhere, to land the day again as backdated",
            day=request.day,
        )
    log.warning("%s %s: landing it again", uri, state)


def _is_marked(published: Snapshot) -> bool:
    """Return whether the metadata of the partition marks it as backdated."""
    copy = published.copy()
    return copy is not None and is_marked_backdated(copy)


def _require_no_newer(commit: Commit, day: date, today: date) -> None:
    """Make the commit fail if the list of a later day is landed in between."""
    if day < today:
        commit.list_files(RECEIPTS)
        commit.require_files(RECEIPTS)
    else:  # midnight may pass
        commit.require(receipt_file(day + timedelta(days=1)))


def _first(commit: Commit, days: Iterable[date]) -> Receipt | None:
    return next(receipts(commit, days), None)


def _snapshot(receipt: Receipt | None) -> SnapshotReceipt | None:
    return receipt if isinstance(receipt, SnapshotReceipt) else None
