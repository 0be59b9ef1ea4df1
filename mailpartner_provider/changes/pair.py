"""What to compare a day's snapshot with, so that changes always add up.

The partitions of a feed, applied in order to nothing, are what its readers know. The changes of a
day lead from there to the day's snapshot. Usually that is a snapshot, too: the one whose changes
were landed last, if it still is as it was then. Otherwise the partitions themselves are applied.
The changes of a day before the last one are never replaced: those of later days build on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from mailpartner_provider.errors import BadData, NothingToLand, WrongArgument
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import receipt_of, receipts, refuse_another
from mailpartner_provider.lake.layouts import SNAPSHOT, list_partitions
from mailpartner_provider.lake.names import day_in_name, partition_file
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
    """The two snapshots to compare, and what was landed before.

    :param previous: the snapshot to which all earlier changes lead; None when there are none, or
        when that snapshot is no longer in the source
    :param landed: the receipt of changes already landed for the day
    :param earlier: the days before that have changes
    :param later: the days after that have changes
    """

    current: SnapshotReceipt
    previous: SnapshotReceipt | None
    landed: ChangesReceipt | None
    earlier: Sequence[date]
    later: Sequence[date]

    @property
    def dates(self) -> dict[str, date | None]:
        """The values of the two date columns."""
        previous = self.earlier[-1] if self.earlier else None
        return {"snapshot_date": self.current.day, "previous_snapshot_date": previous}


def find_pair(request: ChangesRequest, commit: Commit) -> Pair:
    """Read the receipts of the day's snapshot, and of the one whose changes were landed last.

    :raises NothingToLand: the snapshot is backdated
    :raises BadData: a snapshot has no receipt
    :raises WrongArgument: the destination holds something else, or the source holds no snapshots
    """
    current = _current(request)
    days = sorted(filter(None, map(day_in_name, list_partitions(commit))))
    earlier = [day for day in days if day < request.day]
    landed = receipt_of(commit, request.day)
    last = receipt_of(commit, earlier[-1]) if earlier else None
    refuse_another(
        landed or last or next(receipts(commit), None),
        commit.uri(""),
        dataset=ChangesReceipt.dataset,
        email_mode=current.email_mode,
        partition_by=SNAPSHOT,
        is_account=lambda conn_id: (
            conn_id == current.conn_id
            or any(each.conn_id == conn_id for each in receipts(request.source))
        ),
    )
    return Pair(
        current,
        _snapshot_of(_changes(last), earlier, request.source, commit),
        _changes(landed),
        earlier,
        [day for day in days if day > request.day],
    )


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


def _snapshot_of(
    last: ChangesReceipt | None, earlier: Sequence[date], source: Destination, commit: Commit
) -> SnapshotReceipt | None:
    """Read the receipt of the snapshot to which the last changes led, if all of it is still so.

    An erasure gives the snapshot another digest, and the same list, landed again, another instant.
    """
    if last is None or not commit.matches(partition_file(last.day), last.declaration):
        return None  # the landing or an erasure was killed
    if len(earlier) > 1 and str(earlier[-2]) > (last.previous_snapshot_date or ""):
        return None  # the changes of a day before were landed at the same time
    snapshot = receipt_of(source, last.day)
    if not isinstance(snapshot, SnapshotReceipt) or snapshot.status != LIVE:
        return None
    is_same = last.source_sha256 == snapshot.sha256
    is_erased = last.source_observed_at == snapshot.observed_at
    return snapshot if is_same or is_erased else None


def _changes(receipt: Receipt | None) -> ChangesReceipt | None:
    return receipt if isinstance(receipt, ChangesReceipt) else None
