"""Earlier landings: the receipts in a destination, and the kind of list that they declare."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date, timedelta
from itertools import islice

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake import names
from mailpartner_provider.lake.receipts import Receipt, read_receipt
from mailpartner_provider.lake.storage import Content, Readable
from mailpartner_provider.words import counted

log = logging.getLogger(__name__)

_AT_ONCE = 8
_STEP = 0.2  # seconds after which a stop is noticed


def receipt_of(destination: Readable, day: date) -> Receipt | None:
    """Read the receipt of a day; return None if it is missing or damaged.

    :raises BadData: a later version of this package wrote it
    """
    return _parse(destination, day, destination.read(names.receipt_file(day)))


def read_receipts(
    destination: Readable, days: Iterable[date], raise_if_stopped: Callable[[], None]
) -> Iterator[tuple[date, Receipt | None]]:
    """Read the receipts of these days, in order, as ``receipt_of`` does, but several at a time.

    :param raise_if_stopped: called before each receipt, and while waiting for it; may raise
    """
    left = iter(days)
    reading: deque[tuple[date, Future[Content | None]]] = deque()
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        while True:
            for day in islice(left, _AT_ONCE - len(reading)):
                name = names.receipt_file(day)
                reading.append((day, pool.submit(destination.read, name)))
            if not reading:
                return
            day, content = reading.popleft()
            raise_if_stopped()
            while not wait([content], _STEP).done:
                raise_if_stopped()
            yield day, _parse(destination, day, content.result())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def receipts(destination: Readable, days: Iterable[date] | None = None) -> Iterator[Receipt]:
    """Read the receipts of these days, or of all days, the newest first."""
    days = days_with_receipts(destination) if days is None else days
    return filter(None, (receipt_of(destination, day) for day in days))


def earlier_days(destination: Readable, day: date) -> Iterator[date]:
    """Yield the days before a day that may have a receipt, the newest first.

    The previous day comes first. A daily landing needs no other, so receipts are listed only later.
    """
    if day > date.min:
        day_before = day - timedelta(days=1)
        yield day_before
        yield from (found for found in days_with_receipts(destination) if found < day_before)


def days_with_receipts(destination: Readable) -> list[date]:
    """List the days that have a receipt, the newest first."""
    days = map(names.day_in_name, destination.list_folder(names.RECEIPTS))
    return sorted(set(filter(None, days)), reverse=True)


def days_until(destination: Readable, today: date) -> list[date]:
    """List the days that have a receipt, except future days, which come from a wrong clock."""
    days = days_with_receipts(destination)
    future = [day for day in days if is_future(day, today)]
    if future:
        log.warning(
            "Ignoring %s in %s of days in the future, until %s: delete them",
            counted(len(future), "receipt"),
            destination.uri(""),
            future[0],
        )
    return days[len(future) :]


def is_future(day: date, today: date) -> bool:
    """Return whether a day is later than tomorrow, which has begun in other zones."""
    return day - today > timedelta(days=1)


def refuse_another(
    newest: Receipt | None,
    uri: str,
    *,
    dataset: str,
    email_mode: str,
    partition_by: str,
    is_account: Callable[[str], bool],
) -> None:
    """Refuse to land into a destination of another dataset, layout, email mode or account.

    :param newest: the newest receipt of the destination, which says what it is
    :param is_account: whether a connection id names the account to be landed
    :raises WrongArgument: it is another one
    """
    if newest is None:
        return
    evidence = f"(its receipt of {newest.snapshot_date} says so)"
    found = {
        "the dataset": (newest.dataset, dataset),
        "partition_by": (getattr(newest, "partition_by", partition_by), partition_by),
        "email_mode": (newest.email_mode, email_mode),
    }
    for what, (existing, requested) in found.items():
        if existing != requested:
            raise WrongArgument(
                f"destination: {what} of {uri} is {existing!r}, not {requested!r}: choose another "
                f"folder {evidence}",
                day=newest.day,
            )
    if newest.conn_id is not None and not is_account(newest.conn_id):
        raise WrongArgument(
            f"destination: {uri} is of the connection {newest.conn_id!r}: choose another folder, "
            f"or, if the connection was only renamed, set its extra renamed_from {evidence}",
            day=newest.day,
        )


def _parse(destination: Readable, day: date, content: Content | None) -> Receipt | None:
    """Parse the file of a receipt; return None if there is none, or if it is damaged."""
    if content is None:
        return None
    uri = destination.uri(names.receipt_file(day))
    try:
        receipt = read_receipt(content.data, uri)
        if receipt.day != day:
            raise ValueError(f"it is the receipt of {receipt.snapshot_date}")
        return receipt
    except ValueError as error:
        log.warning("Ignoring unreadable receipt %s: %s", uri, error)
        return None
