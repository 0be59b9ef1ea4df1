"""Land a snapshot: stage it, hold it against the terms, publish it. The only writer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.lake import layouts, names
from mailpartner_provider.lake.history import History, read_history, standing_receipt
from mailpartner_provider.lake.receipts import BACKDATED, LIVE, Receipt, iso_utc
from mailpartner_provider.lake.retention import remove_old
from mailpartner_provider.lake.storage import Destination, naming_the_place
from mailpartner_provider.masking import masked
from mailpartner_provider.privacy.erasure_list import read_erased
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.snapshots.splitting import split_by_day
from mailpartner_provider.snapshots.staging import Staged, stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a snapshot must satisfy to be published."""

    on_empty: str = "write"
    max_rejected: int = 0
    max_shrink: float | None = 0.5


class Origin(NamedTuple):
    """Who lands: the connection, and the run of the task."""

    conn_id: str | None = None
    dag_id: str | None = None
    task_id: str | None = None
    run_id: str | None = None


class Order(NamedTuple):
    """Which day is to be landed where and how, for whom, on what terms."""

    day: date
    zone: ZoneInfo
    destination: Destination
    terms: Terms = Terms()
    origin: Origin = Origin()
    emails: EmailMode = EmailMode()
    partition_by: str = layouts.SNAPSHOT
    keep_days: int | None = None


def land(
    stream: UnsubscribeStream,
    order: Order,
    history: History,
    heartbeat: Callable[[UnsubscribeStream], None],
) -> Receipt | None:
    """Land one answer as the snapshot of a day, or change nothing.

    A snapshot observed later than its day is backdated: it holds only what was created before the
    day's end, and never replaces a live one.

    :param history: what ``read_history`` gave for the day
    :param heartbeat: called after every block and before every change to a partition; may raise
    :return: the receipt; None when the list is empty and ``on_empty`` says skip
    :raises BadData: the snapshot breaks the terms
    :raises RequestFailed: the answer is broken or truncated
    :raises WrongArgument: the destination holds partitions of another layout
    :raises OSError: the destination cannot be read or written
    """
    is_live = names.day_of(stream.observed_at, order.zone) <= order.day
    if kept := keep(order, history, is_live=is_live):
        return kept
    cutoff = None if is_live else names.end_of_day(order.day, order.zone)
    erased = read_erased(order.destination.read(names.ERASED))
    with order.destination.scratch() as scratch:
        staged = stage(stream, scratch, order.day, cutoff, heartbeat, order.emails, erased)
        _check(staged, order.terms, history.last)
        if staged.rows == 0 and order.terms.on_empty == "skip":
            return None
        files = _partitions(staged, order)
        with order.destination.alone():
            heartbeat(stream)
            if erased != read_erased(order.destination.read(names.ERASED)):
                raise RequestFailed("somebody was erased meanwhile; the list is landed anew")
            history = _meanwhile(order, history, is_live=is_live)
            if kept := keep(order, history, is_live=is_live):
                return kept
            last = history.last if order.partition_by == layouts.CREATED else history.standing
            declared = last.sha256 if last else None
            change = layouts.plan(order.destination, order.partition_by, files, declared, scratch)
            status = LIVE if is_live else BACKDATED
            receipt = _declare(staged, stream, order, history, status, change)
            _publish(staged, receipt, order, change, lambda: heartbeat(stream))
            if order.keep_days:
                remove_old(order.destination, order.day, order.keep_days)
    return receipt


def keep(order: Order, history: History, *, is_live: bool) -> Receipt | None:
    """Give the receipt of what stands and must not be replaced; None when there is no such thing.

    No backdated snapshot replaces the day's live one. Where all landings share one list, no older
    list replaces a newer one.
    """
    standing, newer = history.standing, history.newer
    if newer and order.partition_by == layouts.CREATED:
        kept, why = newer, "it is newer, and there is only one list"
    elif standing and not is_live and _stands_live(order, standing):
        kept, why = (
            standing,
            "it was observed on its day, and what the API shows now cannot tell who has been "
            "removed since",
        )
    else:
        return None
    with order.destination.scratch():
        pass  # nothing to stage, but what a killed landing left there goes
    log.info("Kept the %s snapshot of %s: %s", kept.status, kept.snapshot_date, why)
    return replace(kept, changed=False)


def _meanwhile(order: Order, history: History, *, is_live: bool) -> History:
    """Look again at what must be kept, for another landing may have come first."""
    if order.partition_by == layouts.CREATED:
        return read_history(order.destination, order.day, order.partition_by)
    if is_live:
        return history
    return history._replace(standing=standing_receipt(order.destination, order.day))


def _stands_live(order: Order, standing: Receipt) -> bool:
    """Say whether the day's snapshot is live, and still what its receipt declares.

    A receipt whose partition is not there keeps nothing: a landing that was killed before its own
    receipt, or somebody else, has put another file in its place, or none.
    """
    if standing.status != LIVE:
        return False
    name = names.partition_file(order.day)
    if layouts.digest_of(order.destination, order.partition_by, name) == standing.sha256:
        return True
    log.warning(
        "The receipt of %s is not that of the partition that stands there: landing anew",
        standing.snapshot_date,
    )
    return False


def _check(staged: Staged, terms: Terms, last: Receipt | None) -> None:
    """Hold the snapshot against the terms."""
    if staged.rejected > terms.max_rejected:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in staged.reasons.most_common())
        raise BadData(
            f"{staged.rejected} of {staged.rows + staged.rejected + staged.after_cutoff} records "
            f"cannot be rows ({reasons}), and max_rejected is {terms.max_rejected}; nothing was "
            "published. Report them to Mail Partner, or raise max_rejected to quarantine them"
        )
    if last and terms.max_shrink is not None:
        lost = last.rows - staged.rows
        if lost > Decimal(str(terms.max_shrink)) * last.rows:
            raise BadData(
                f"the list has {staged.rows} unsubscribes where the snapshot of "
                f"{last.snapshot_date} has {last.rows}: it lost more than max_shrink="
                f"{terms.max_shrink} allows; nothing was published. If so many people were really "
                "removed, run once with a higher max_shrink"
            )
    if staged.rows == 0 and terms.on_empty == "fail":
        raise BadData("the list is empty, and on_empty is 'fail'; nothing was published")


def _partitions(staged: Staged, order: Order) -> dict[str, Path]:
    """Give the finished partitions by their names."""
    if order.partition_by == layouts.CREATED:
        return split_by_day(staged.file, order.zone, order.emails)
    return {names.partition_file(order.day): staged.file}


def _declare(
    staged: Staged,
    stream: UnsubscribeStream,
    order: Order,
    history: History,
    status: str,
    change: layouts.Change,
) -> Receipt:
    """Write down what is about to be published."""
    previous = history.previous
    return Receipt(
        snapshot_date=order.day.isoformat(),
        status=status,
        partition_by=order.partition_by,
        partitions_written=change.written,
        partitions_kept=change.kept,
        partitions_removed=change.removed,
        uri=change.uri,
        rows=staged.rows,
        declared=stream.declared,
        received=stream.received,
        rejected=staged.rejected,
        after_cutoff=staged.after_cutoff,
        null_created_at=staged.null_created_at,
        duplicate_ids=staged.duplicate_ids(),
        unknown_fields=",".join(sorted(masked(field) for field in staged.unknown_fields)),
        min_created_at=_iso(staged.min_created_at),
        max_created_at=_iso(staged.max_created_at),
        bytes=change.bytes,
        sha256=change.sha256,
        changed=change.changed,
        observed_at=iso_utc(stream.observed_at),
        duration_seconds=round(stream.seconds, 3),
        previous_snapshot_date=previous.snapshot_date if previous else None,
        previous_rows=previous.rows if previous else None,
        email_mode=order.emails.name,
        timezone=order.zone.key,
        conn_id=order.origin.conn_id,
        dag_id=order.origin.dag_id,
        task_id=order.origin.task_id,
        run_id=order.origin.run_id,
    )


def _publish(
    staged: Staged,
    receipt: Receipt,
    order: Order,
    change: layouts.Change,
    heartbeat: Callable[[], None],
) -> None:
    """Make the partitions visible, then the quarantine, and the receipt last.

    All of them are finished before the first is visible, lest a full disk come between.
    """
    day, destination = order.day, order.destination
    receipt_file = staged.file.with_name("receipt.json")
    with naming_the_place("write scratch files in", receipt_file.parent):
        receipt_file.write_text(receipt.to_json(), encoding="ascii")
    for name, file in change.steps:
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


def _iso(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return iso_utc(datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds))
