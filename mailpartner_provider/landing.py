"""Land a snapshot: stage it, hold it against the terms, publish it. The only writer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider import partitions
from mailpartner_provider.destinations import Destination, digest, naming_the_place
from mailpartner_provider.envelope import masked
from mailpartner_provider.errors import BadData
from mailpartner_provider.receipts import BACKDATED, LIVE, Receipt, iso_utc, read_receipt
from mailpartner_provider.staging import Staged, stage
from mailpartner_provider.stream import UnsubscribeStream

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
    """Which day is to be landed where, for whom, on what terms."""

    day: date
    zone: ZoneInfo
    destination: Destination
    terms: Terms = Terms()
    origin: Origin = Origin()


class History(NamedTuple):
    """The receipt that stands for a day, and the newest of an earlier day."""

    standing: Receipt | None
    previous: Receipt | None


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
    :param heartbeat: called after every block and before anything is published; may raise
    :return: the receipt; None when the list is empty and ``on_empty`` says skip
    :raises BadData: the snapshot breaks the terms
    :raises RequestFailed: the answer is broken or truncated
    :raises OSError: the destination cannot be read or written
    """
    is_live = partitions.day_of(stream.observed_at, order.zone) <= order.day
    if not is_live and (kept := keep_live(order, history.standing)):
        return kept
    cutoff = None if is_live else partitions.end_of_day(order.day, order.zone)
    with order.destination.scratch() as scratch:
        staged = stage(stream, scratch, order.day, cutoff, heartbeat)
        _check(staged, order.terms, history.standing or history.previous)
        if staged.rows == 0 and order.terms.on_empty == "skip":
            return None
        with order.destination.alone():
            heartbeat(stream)
            found = order.destination.digest(partitions.partition_file(order.day))
            if not is_live and found:  # a live one may have been landed meanwhile
                standing = standing_receipt(order.destination, order.day)
                if kept := keep_live(order, standing):
                    return kept
            status = LIVE if is_live else BACKDATED
            receipt = _declare(staged, stream, order, history, status, found)
            _publish(staged, receipt, order)
    return receipt


def read_history(destination: Destination, day: date) -> History:
    """Read what was landed for a day and before it."""
    previous = next(earlier_receipts(destination, day), None)
    return History(standing_receipt(destination, day), previous)


def keep_live(order: Order, standing: Receipt | None) -> Receipt | None:
    """Give the receipt of the day's live snapshot, which no backdated one may replace.

    A receipt whose partition is not there keeps nothing: a landing that was killed before its own
    receipt, or somebody else, has put another file in its place, or none.
    """
    if standing is None or standing.status != LIVE:
        return None
    if order.destination.digest(partitions.partition_file(order.day)) != standing.sha256:
        log.warning(
            "The receipt of %s is not that of the partition that stands there: landing anew",
            standing.snapshot_date,
        )
        return None
    with order.destination.scratch():
        pass  # nothing to stage, but what a killed landing left there goes
    log.info(
        "Kept the live snapshot of %s: it was observed on its day, and what the API shows now "
        "cannot tell who has been removed since",
        standing.snapshot_date,
    )
    return replace(standing, changed=False)


def earlier_receipts(destination: Destination, day: date) -> Iterator[Receipt]:
    """Read the receipts of the days before a day, the newest first.

    One that cannot be read is reported and passed over. The day before is tried first, so that a
    daily landing lists nothing.
    """
    if day == date.min:
        return
    day_before = day - timedelta(days=1)
    if receipt := standing_receipt(destination, day_before):
        yield receipt
    listed = map(partitions.day_in_name, destination.names(partitions.RECEIPTS))
    earlier = sorted((found for found in listed if found and found < day_before), reverse=True)
    yield from filter(None, (standing_receipt(destination, found) for found in earlier))


def standing_receipt(destination: Destination, day: date) -> Receipt | None:
    """Read the receipt of a day; one that cannot be read is reported, and none."""
    name = partitions.receipt_file(day)
    text = destination.read(name)
    if text is None:
        return None
    try:
        receipt = read_receipt(text)
        if receipt.snapshot_date != day.isoformat():
            raise ValueError(f"it is the receipt of {receipt.snapshot_date}")
        return receipt
    except ValueError as error:
        log.warning("Passed over %s: %s", destination.uri(name), error)
        return None


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


def _declare(
    staged: Staged,
    stream: UnsubscribeStream,
    order: Order,
    history: History,
    status: str,
    found: str | None,
) -> Receipt:
    """Write down what is about to be published, in place of what was found there.

    A file that no receipt has declared counts as changed: its landing was killed before it could
    tell anybody.
    """
    sha256, standing, previous = digest(staged.file), history.standing, history.previous
    return Receipt(
        snapshot_date=order.day.isoformat(),
        status=status,
        uri=order.destination.uri(partitions.partition_file(order.day)),
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
        bytes=staged.file.stat().st_size,
        sha256=sha256,
        changed=not (standing and standing.sha256 == sha256 == found),
        observed_at=iso_utc(stream.observed_at),
        previous_snapshot_date=previous.snapshot_date if previous else None,
        previous_rows=previous.rows if previous else None,
        timezone=order.zone.key,
        conn_id=order.origin.conn_id,
        dag_id=order.origin.dag_id,
        task_id=order.origin.task_id,
        run_id=order.origin.run_id,
    )


def _publish(staged: Staged, receipt: Receipt, order: Order) -> None:
    """Make the snapshot visible, then its quarantine, and the receipt last.

    All of them are finished before the first is visible, lest a full disk come between.
    """
    day, destination = order.day, order.destination
    receipt_file = staged.file.with_name("receipt.json")
    with naming_the_place("write scratch files in", receipt_file.parent):
        receipt_file.write_text(receipt.to_json(), encoding="ascii")
    if receipt.changed:
        destination.publish(staged.file, partitions.partition_file(day))
    if receipt.rejected:
        destination.publish(staged.rejected_file, partitions.rejected_file(day))
    else:
        destination.remove(partitions.rejected_file(day))
    destination.publish(receipt_file, partitions.receipt_file(day))


def _iso(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return iso_utc(datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds))
