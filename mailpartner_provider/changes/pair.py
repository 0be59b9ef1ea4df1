"""The two snapshots whose difference is landed, so that changes always add up."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from mailpartner_provider.errors import BadData, NothingToLand, WrongArgument
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import (
    days_with_receipts,
    earlier_days,
    receipt_of,
    receipts,
    refuse_another,
)
from mailpartner_provider.lake.layouts import SNAPSHOT
from mailpartner_provider.lake.receipts import (
    LIVE,
    ChangesReceipt,
    Receipt,
    SnapshotReceipt,
    TaskRun,
)
from mailpartner_provider.lake.storage import Destination


class ChangesRequest(NamedTuple):
    """The parameters of one landing of changes.

    ``source`` holds snapshots. ``max_removed`` is the share of the previous snapshot's records that
    may be removed; None for no limit.
    """

    day: date
    source: Destination
    destination: Destination
    max_removed: float | None = 0.5
    run: TaskRun = TaskRun()


class Pair(NamedTuple):
    """The receipts of the snapshots to compare, and of changes already landed for the day, if any.

    Before the very first changes there is no previous snapshot: everybody was added.
    """

    current: SnapshotReceipt
    previous: SnapshotReceipt | None
    landed: Receipt | None

    @property
    def dates(self) -> dict[str, date | None]:
        """The values of the two date columns."""
        previous = self.previous.day if self.previous else None
        return {"snapshot_date": self.current.day, "previous_snapshot_date": previous}


def find_pair(request: ChangesRequest, commit: Commit) -> Pair:
    """Read the receipts of the day's snapshot, and of the one whose changes were landed last.

    Comparing with that one, and not with the day before, leaves no day out: all changes applied in
    order give the last snapshot.

    :raises NothingToLand: the snapshot is backdated, or the changes of a later day include the day
    :raises BadData: a snapshot has no receipt
    :raises WrongArgument: the destination holds something else, or the source holds no snapshots
    """
    current = _current(request)
    landed = receipt_of(commit, request.day)
    earlier = next(receipts(commit, earlier_days(commit, request.day)), None)
    last = _last_compared(request, earlier)
    refuse_another(
        landed or earlier,
        commit.uri(""),
        dataset=ChangesReceipt.dataset,
        email_mode=current.email_mode,
        partition_by=SNAPSHOT,
        is_account=lambda conn_id: conn_id in (current.conn_id, last and last.conn_id),
    )
    if landed is None:
        _refuse_if_included(request, commit)
    return Pair(current, last, landed)


def _current(request: ChangesRequest) -> SnapshotReceipt:
    """Read the receipt of the day's snapshot, which must be live."""
    source = request.source
    current = receipt_of(source, request.day)
    if current is None:
        raise BadData(
            f"{source.uri('')} has no readable receipt of {request.day}: land that day first",
            day=request.day,
        )
    if not isinstance(current, SnapshotReceipt) or current.partition_by != SNAPSHOT:
        layout = getattr(current, "partition_by", None)
        raise WrongArgument(
            f"source: {source.uri('')} holds {current.dataset} with partition_by={layout!r}: "
            "changes are computed from whole snapshots",
            day=request.day,
        )
    if current.status != LIVE:
        raise NothingToLand(
            f"the snapshot of {request.day} is backdated and cannot show who was removed; the next "
            "live one will be compared across this day",
            day=request.day,
        )
    return current


def _last_compared(request: ChangesRequest, earlier: Receipt | None) -> SnapshotReceipt | None:
    """Read the receipt of the snapshot whose changes were landed last."""
    if earlier is None:
        return None
    last = receipt_of(request.source, earlier.day)
    if not isinstance(last, SnapshotReceipt) or last.status != LIVE:
        raise BadData(
            f"{request.source.uri('')} has no live snapshot of {earlier.day}, with which the "
            "changes must be compared to add up: restore it, or begin a new folder of changes",
            day=request.day,
        )
    return last


def _refuse_if_included(request: ChangesRequest, commit: Commit) -> None:
    """Refuse a day that the changes of a later day already include."""
    later = [day for day in days_with_receipts(commit) if day > request.day]
    if later:
        raise NothingToLand(
            f"the changes of {later[-1]} already include those of {request.day}", day=request.day
        )
