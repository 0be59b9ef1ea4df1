"""The two lists that a landing of changes compares.

Changes must add up: all of them, applied in order to an empty list, must produce the latest
snapshot. So a day's snapshot is compared with the list that the earlier changes produce. Usually
that is the snapshot whose changes were landed last. If that one has been replaced or removed since,
the list is rebuilt from the changes instead (see ``replay``). Only the newest changes may be
replaced, because the changes of later days build on the earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from mailpartner_provider.errors import BadData, NothingToLand, WrongArgument
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import is_future, receipt_of, receipts, refuse_another
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

    :param source: the destination of the snapshots
    :param max_removed: the share of the previous list's records that may be missing; None: no limit
    :param today: the present day in UTC
    """

    day: date
    source: Destination
    destination: Destination
    max_removed: float | None = 0.5
    run: TaskRun = TaskRun()
    today: date = date.max


class Pair(NamedTuple):
    """The two snapshots to compare, and what was landed before.

    :param current: the receipt of the day's snapshot
    :param previous: the receipt of the snapshot that the earlier changes produce; None if there are
        no earlier changes, or if that snapshot is no longer in the source
    :param landed: the receipt of the changes that were already landed for the day
    :param earlier: the earlier days with changes, in order
    :param later: the later days with changes, in order
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
    """Read the receipts of the day's snapshot and of the snapshot to compare it with.

    :raises NothingToLand: the day's snapshot is backdated
    :raises BadData: a snapshot has no receipt, or there are changes of a day in the future
    :raises WrongArgument: the destination holds something else, or the source holds no snapshots
    """
    current = _current(request)
    days = sorted(filter(None, map(day_in_name, list_partitions(commit))))
    if days and is_future(days[-1], request.today):
        raise BadData(
            f"{commit.uri(partition_file(days[-1]))} is of a day in the future, because a clock "
            f"was wrong: delete it and its receipt, so that those of {request.day} can be landed",
            day=days[-1],
        )
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
    """Read the receipt of the snapshot that the last changes produced; None if it is gone.

    It is the same snapshot if its digest or its instant is the same: an erasure changes only the
    digest, and landing the same list again changes only the instant.
    """
    if last is None or not commit.matches(partition_file(last.day), last.declaration):
        return None  # a landing or an erasure was killed halfway
    if len(earlier) > 1 and str(earlier[-2]) > (last.previous_snapshot_date or ""):
        return None  # the last changes do not build on those before: both were landed at once
    snapshot = receipt_of(source, last.day)
    if not isinstance(snapshot, SnapshotReceipt) or snapshot.status != LIVE:
        return None
    has_same_digest = last.source_sha256 == snapshot.sha256
    has_same_instant = last.source_observed_at == snapshot.observed_at
    return snapshot if has_same_digest or has_same_instant else None


def _changes(receipt: Receipt | None) -> ChangesReceipt | None:
    return receipt if isinstance(receipt, ChangesReceipt) else None
