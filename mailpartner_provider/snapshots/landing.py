"""The landing of a snapshot: stage it, check it against its limits, commit it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.days import day_of, end_of_day, iso_utc
from mailpartner_provider.errors import BadData, NothingToLand
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.layouts import CREATED, Landed, Snapshot
from mailpartner_provider.lake.memory import least_memory
from mailpartner_provider.lake.names import ERASED, partition_file, receipt_file, rejected_file
from mailpartner_provider.lake.receipts import BACKDATED, LIVE, SnapshotReceipt
from mailpartner_provider.lake.retention import remove_old
from mailpartner_provider.privacy.erasure_list import read_erasure_list
from mailpartner_provider.snapshots.past import Past, read_past, receipt_to_keep
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from mailpartner_provider.snapshots.splitting import split_by_day
from mailpartner_provider.snapshots.staging import Staged, stage

log = logging.getLogger(__name__)


def land_snapshot(
    request: SnapshotRequest,
    today: date,
    fetch: Callable[[], UnsubscribeStream],
    heartbeat: Callable[[UnsubscribeStream], None],
    raise_if_stopped: Callable[[], None] = lambda: None,
) -> SnapshotReceipt:
    """Fetch the list and land it as the snapshot of a day, or change nothing.

    A snapshot observed later than its day is backdated: it holds only what was created before the
    end of the day, and never replaces what may be the only live copy. In the layout ``created``, if
    the list of a later day was landed and is not whole, that day is landed instead.

    :param today: the present day in the zone of the request
    :param fetch: asks the API for the list; not called when the existing snapshot must be kept
    :param heartbeat: called after every block; may raise
    :param raise_if_stopped: called before every step of the publication; may raise
    :return: the receipt of the landing, or of the existing landing that was kept
    :raises BadData: the snapshot exceeds a limit
    :raises UnknownPartition: the snapshot might replace the only live copy of its day
    :raises NothingToLand: the list is empty and ``on_empty`` is ``skip``
    :raises RequestFailed: the answer is broken or truncated
    :raises Conflict: another task has changed the destination in between
    :raises WrongArgument: the destination is of another dataset, layout, email mode or account
    :raises OSError: the destination cannot be read or written
    """
    with least_memory(), request.destination.scratch() as scratch:
        commit = Commit(request.destination, scratch)
        past = read_past(commit, request, today)
        if past.damaged:
            log.warning(
                "The list of %s in %s does not match its receipt: landing it again",
                past.damaged.snapshot_date,
                past.damaged.uri,
            )
            request = request._replace(day=past.damaged.day)
            past = read_past(commit, request, today)
        if kept := receipt_to_keep(request, past, is_live=request.day >= today):
            return kept
        with closing(fetch()) as stream:
            is_live = day_of(stream.observed_at, request.zone) <= request.day
            observed_at = stream.observed_at
            if kept := receipt_to_keep(request, past, is_live=is_live, observed_at=observed_at):
                return kept
            erased = read_erasure_list(commit)
            commit.require(ERASED)
            cutoff = None if is_live else end_of_day(request.day, request.zone)
            staged = stage(
                stream, scratch, request.day, cutoff, heartbeat, request.email_mode, erased
            )
        _check_limits(staged, request.limits, past.last)
        receipt = _plan(commit, request, past, stream, staged, LIVE if is_live else BACKDATED)
        if request.day < today:  # a removal of old days may be under way
            commit.confirm(past.published.name)
        commit.publish(raise_if_stopped)
    if request.keep_days:
        remove_old(request.destination, request.day, request.keep_days)
    return _with_etag(receipt, commit, request)


def _plan(
    commit: Commit,
    request: SnapshotRequest,
    past: Past,
    stream: UnsubscribeStream,
    staged: Staged,
    status: str,
) -> SnapshotReceipt:
    """Plan the partitions, then the quarantine, and the receipt last."""
    landed = _plan_partitions(request, past, staged)
    receipt = SnapshotReceipt(
        **landed._asdict(),
        **staged.receipt_members(),
        **request.run._asdict(),
        snapshot_date=request.day.isoformat(),
        status=status,
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
    _plan_quarantine(commit, request, past, staged)
    commit.write(receipt_file(request.day), lambda: _with_etag(receipt, commit, request).to_json())
    return receipt


def _plan_quarantine(commit: Commit, request: SnapshotRequest, past: Past, staged: Staged) -> None:
    """Plan to replace the quarantine of the day, or to remove it.

    A day without a receipt and a partition has no quarantine. On any other day, a killed landing
    may have left one that the receipt does not mention.
    """
    name = rejected_file(request.day)
    may_exist = past.existing is not None or past.published.exists
    if staged.rejected:
        commit.info(name)
        commit.replace(name, staged.rejected_file)
    elif may_exist and commit.info(name):
        commit.remove([name])


def _with_etag(
    receipt: SnapshotReceipt, commit: Commit, request: SnapshotRequest
) -> SnapshotReceipt:
    """Return the receipt with the version that the store gave to the day's snapshot."""
    if request.partition_by == CREATED:
        return receipt
    return replace(receipt, etag=commit.version(partition_file(request.day)))


def _plan_partitions(request: SnapshotRequest, past: Past, staged: Staged) -> Landed:
    """Plan to replace the partitions that changed."""
    if isinstance(past.published, Snapshot):
        return past.published.replace({partition_file(request.day): staged.file}, past.vouching)
    with split_by_day(staged.file, request.zone, request.email_mode.column) as partitions:
        return past.published.replace(partitions, past.last)


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
