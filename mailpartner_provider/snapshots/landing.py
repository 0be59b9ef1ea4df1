"""The landing of a snapshot: stage it, check it against its limits, publish it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.days import day_of, end_of_day, iso_utc
from mailpartner_provider.errors import BadData, NothingToLand, RequestFailed, WrongArgument
from mailpartner_provider.lake import names
from mailpartner_provider.lake.history import (
    days_with_receipts,
    earlier_days,
    receipt_of,
    receipts,
)
from mailpartner_provider.lake.layouts import CREATED, SNAPSHOT, Plan, plan, published_digest
from mailpartner_provider.lake.receipts import BACKDATED, LIVE, SnapshotReceipt, TaskRun
from mailpartner_provider.lake.retention import remove_old
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import read_erasure_list
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.snapshots.splitting import split_by_day
from mailpartner_provider.snapshots.staging import Staged, stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a snapshot must satisfy to be published."""

    on_empty: str = "write"
    max_rejected: int = 0
    max_shrink: float | None = 0.5


class SnapshotRequest(NamedTuple):
    """The parameters of one landing."""

    day: date
    zone: ZoneInfo
    destination: Destination
    limits: Limits = Limits()
    run: TaskRun = TaskRun()
    email_mode: EmailMode = EmailMode()
    partition_by: str = SNAPSHOT
    keep_days: int | None = None


class _Past(NamedTuple):
    """The receipts that a landing is compared with: the day's own, and the newest earlier one.

    ``newer``, of a later day, is only looked for in the layout ``created``.
    """

    existing: SnapshotReceipt | None
    previous: SnapshotReceipt | None
    newer: SnapshotReceipt | None

    @property
    def last(self) -> SnapshotReceipt | None:
        """The newest receipt up to and including the day."""
        return self.existing or self.previous


def land_snapshot(
    request: SnapshotRequest,
    today: date,
    fetch: Callable[[], UnsubscribeStream],
    heartbeat: Callable[[UnsubscribeStream], None],
) -> SnapshotReceipt:
    """Fetch the list and land it as the snapshot of a day, or change nothing.

    A snapshot observed later than its day is backdated: it holds only what was created before the
    end of the day, and never replaces a live one.

    :param today: the present day in the zone of the request
    :param fetch: asks the API for the list; not called when the existing snapshot must be kept
    :param heartbeat: called after every block and before every change to a partition; may raise
    :return: the receipt of the landing, or of the existing landing that was kept
    :raises BadData: the snapshot exceeds a limit
    :raises NothingToLand: the list is empty and ``on_empty`` is ``skip``
    :raises RequestFailed: the answer is broken or truncated
    :raises WrongArgument: the destination holds partitions of another layout
    :raises OSError: the destination cannot be read or written
    """
    past = _read_past(request)
    if kept := _receipt_to_keep(request, past, is_live=request.day >= today):
        return kept
    return _land(request, past, fetch(), heartbeat)


def _land(
    request: SnapshotRequest,
    past: _Past,
    stream: UnsubscribeStream,
    heartbeat: Callable[[UnsubscribeStream], None],
) -> SnapshotReceipt:
    destination = request.destination
    is_live = day_of(stream.observed_at, request.zone) <= request.day
    if kept := _receipt_to_keep(request, past, is_live=is_live):
        return kept
    cutoff = None if is_live else end_of_day(request.day, request.zone)
    erased = read_erasure_list(destination)
    with destination.scratch() as scratch:
        staged = stage(stream, scratch, request.day, cutoff, heartbeat, request.email_mode, erased)
        _check_limits(staged, request.limits, past.last)
        files = _partitions(staged, request)
        with destination.locked():
            heartbeat(stream)
            if erased != read_erasure_list(destination):
                raise RequestFailed("somebody was erased during the landing: land the list again")
            # Another landing may have come first.
            if request.partition_by == CREATED:
                past = _read_past(request)
            elif not is_live:
                existing = receipt_of(destination, request.day, SnapshotReceipt)
                past = past._replace(existing=existing)
            if kept := _receipt_to_keep(request, past, is_live=is_live):
                return kept
            last = past.last if request.partition_by == CREATED else past.existing
            declared = last.sha256 if last else None
            changes = plan(destination, request.partition_by, files, declared, scratch)
            receipt = SnapshotReceipt(
                **{name: value for name, value in changes._asdict().items() if name != "steps"},
                **staged.receipt_members(),
                **request.run._asdict(),
                snapshot_date=request.day.isoformat(),
                status=LIVE if is_live else BACKDATED,
                partition_by=request.partition_by,
                email_mode=request.email_mode.name,
                timezone=request.zone.key,
                declared=stream.declared,
                received=stream.received,
                observed_at=iso_utc(stream.observed_at),
                duration_seconds=round(stream.seconds, 3),
                previous_snapshot_date=past.previous.snapshot_date if past.previous else None,
                previous_rows=past.previous.rows if past.previous else None,
            )
            _publish(staged, receipt, request, changes, lambda: heartbeat(stream))
            if request.keep_days:
                remove_old(destination, request.day, request.keep_days)
    return receipt


def _read_past(request: SnapshotRequest) -> _Past:
    """Read the receipts to compare with.

    :raises WrongArgument: they are of another layout
    """
    destination, day = request.destination, request.day
    existing = receipt_of(destination, day, SnapshotReceipt)
    # The day before is tried first, so that a daily landing of snapshots lists nothing.
    previous, newer = _first(destination, islice(earlier_days(destination, day), 1)), None
    if previous is None or request.partition_by == CREATED:
        days = days_with_receipts(destination)
        newer = _first(destination, (found for found in days if found > day))
        previous = previous or _first(destination, (found for found in days if found < day))
    last = newer or existing or previous
    if last and last.partition_by != request.partition_by:
        raise WrongArgument(
            f"partition_by: {destination.uri('')} is of {last.partition_by!r} (its receipt of "
            f"{last.snapshot_date} says so), got {request.partition_by!r}: choose another folder"
        )
    return _Past(existing, previous, newer)


def _first(destination: Destination, days: Iterable[date]) -> SnapshotReceipt | None:
    return next(receipts(destination, SnapshotReceipt, days), None)


def _receipt_to_keep(
    request: SnapshotRequest, past: _Past, *, is_live: bool
) -> SnapshotReceipt | None:
    """Return the receipt of an existing landing that must not be overwritten, or None.

    A backdated snapshot never replaces the day's live one. In the layout ``created``, where all
    landings share one list, an older list never replaces a newer one.
    """
    if past.newer and request.partition_by == CREATED:
        kept, reason = past.newer, "it is newer, and this layout holds one list only"
    elif past.existing and not is_live and _is_live_and_intact(request, past.existing):
        kept, reason = (
            past.existing,
            "it was observed on its day, and the API cannot show today who was removed since",
        )
    else:
        return None
    with request.destination.scratch():
        pass  # nothing to stage, but the scratch folders of killed landings are removed
    log.info("Kept the %s snapshot of %s: %s", kept.status, kept.snapshot_date, reason)
    return replace(kept, changed=False)


def _is_live_and_intact(request: SnapshotRequest, existing: SnapshotReceipt) -> bool:
    """Return whether the day's snapshot is live, and still what its receipt declares.

    It is not when a landing was killed before its receipt, or somebody else replaced the file.
    """
    if existing.status != LIVE:
        return False
    name = names.partition_file(request.day)
    if published_digest(request.destination, request.partition_by, name) == existing.sha256:
        return True
    log.warning(
        "The receipt of %s does not match its partition: landing it again", existing.snapshot_date
    )
    return False


def _check_limits(staged: Staged, limits: Limits, last: SnapshotReceipt | None) -> None:
    """Compare the snapshot with its limits.

    :raises BadData: it exceeds one of them
    :raises NothingToLand: it is empty and ``on_empty`` is ``skip``
    """
    if staged.rejected > limits.max_rejected:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in staged.reasons.most_common())
        received = staged.rows + staged.rejected + staged.after_cutoff
        raise BadData(
            f"{staged.rejected} of {received} records cannot be rows: report them to Mail Partner, "
            f"or raise max_rejected ({limits.max_rejected}) to quarantine them. Nothing was "
            f"published ({reasons})"
        )
    if last and limits.max_shrink is not None:
        lost = last.rows - staged.rows
        if lost > Decimal(str(limits.max_shrink)) * last.rows:
            raise BadData(
                f"the list shrank from {last.rows} to {staged.rows} since {last.snapshot_date}, by "
                f"more than max_shrink={limits.max_shrink}: if so many people were really removed, "
                "run once with a higher max_shrink. Nothing was published"
            )
    if staged.rows == 0 and limits.on_empty == "fail":
        raise BadData("the list is empty, and on_empty is 'fail'. Nothing was published")
    if staged.rows == 0 and limits.on_empty == "skip":
        raise NothingToLand("the list is empty, and on_empty is 'skip'")


def _partitions(staged: Staged, request: SnapshotRequest) -> dict[str, Path]:
    """Return the finished partitions by their names."""
    if request.partition_by == CREATED:
        return split_by_day(staged.file, request.zone, request.email_mode.column)
    return {names.partition_file(request.day): staged.file}


def _publish(
    staged: Staged,
    receipt: SnapshotReceipt,
    request: SnapshotRequest,
    changes: Plan,
    heartbeat: Callable[[], None],
) -> None:
    """Make the partitions visible, then the quarantine, and the receipt last.

    All of them are finished before the first is visible, so that a full disk cannot come between.
    """
    day, destination = request.day, request.destination
    receipt_file = staged.file.with_name("receipt.json")
    with naming_path("write scratch files in", receipt_file.parent):
        receipt_file.write_text(receipt.to_json(), encoding="ascii")
    for name, file in changes.steps:
        heartbeat()
        if file:
            destination.publish(file, name)
        else:
            destination.remove(name)
    if receipt.rejected:
        destination.publish(staged.rejected_file, names.rejected_file(day))
    else:
        destination.remove(names.rejected_file(day))
    destination.publish(receipt_file, names.receipt_file(day))
