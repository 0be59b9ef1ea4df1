"""What was landed before: the receipts that lie in a destination."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake import names
from mailpartner_provider.lake.layouts import CREATED, SNAPSHOT
from mailpartner_provider.lake.receipts import (
    ChangesReceipt,
    Receipt,
    read_any_receipt,
    read_receipt,
)
from mailpartner_provider.lake.storage import Destination

log = logging.getLogger(__name__)

_Kind = TypeVar("_Kind", bound=Receipt | ChangesReceipt)


class History(NamedTuple):
    """The receipt that stands for a day, the newest of an earlier day, and that of a later day.

    The last is looked for only where it may matter.
    """

    standing: Receipt | None = None
    previous: Receipt | None = None
    newer: Receipt | None = None

    @property
    def last(self) -> Receipt | None:
        """The newest receipt up to and including the day."""
        return self.standing or self.previous


def read_history(destination: Destination, day: date, partition_by: str = SNAPSHOT) -> History:
    """Read what was landed for a day, and around it.

    The day before is tried first, so that a daily landing of snapshots lists nothing.

    :raises WrongArgument: it was landed in another layout
    """
    standing, previous = standing_receipt(destination, day), _day_before(destination, day)
    newer = None
    if previous is None or partition_by == CREATED:
        days = days_with_receipts(destination)
        newer = next(_receipts(destination, (found for found in days if found > day)), None)
        earlier = (found for found in days if found < day)
        previous = previous or next(_receipts(destination, earlier), None)
    newest = newer or standing or previous
    if newest and newest.partition_by != partition_by:
        raise WrongArgument(
            f"partition_by: the destination is one of {newest.partition_by!r} (its receipt of "
            f"{newest.snapshot_date} says so), got {partition_by!r}: land that elsewhere"
        )
    return History(standing, previous, newer)


def earlier_receipts(destination: Destination, day: date) -> Iterator[Receipt]:
    """Read the receipts of the days before a day, the newest first.

    The day before is tried first, and lists nothing.
    """
    if receipt := _day_before(destination, day):
        yield receipt
    listed = days_with_receipts(destination)
    yield from _receipts(destination, (found for found in listed if (day - found).days > 1))


def days_with_receipts(destination: Destination) -> list[date]:
    """List the days that have a receipt, the newest first."""
    days = map(names.day_in_name, destination.names(names.RECEIPTS))
    return sorted(set(filter(None, days)), reverse=True)


def newest_receipts(destination: Destination, count: int) -> list[Receipt | ChangesReceipt]:
    """Read the last so many receipts, of snapshots or of changes, the newest first."""
    days = days_with_receipts(destination)
    found = (_standing(destination, day, read_any_receipt) for day in days)
    return list(islice(filter(None, found), count))


def standing_receipt(destination: Destination, day: date) -> Receipt | None:
    """Read the receipt of a day; one that cannot be read is reported, and none."""
    return _standing(destination, day, read_receipt)


def _standing(destination: Destination, day: date, read: Callable[[bytes], _Kind]) -> _Kind | None:
    name = names.receipt_file(day)
    text = destination.read(name)
    if text is None:
        return None
    try:
        receipt = read(text)
        if receipt.snapshot_date != day.isoformat():
            raise ValueError(f"it is the receipt of {receipt.snapshot_date}")
        return receipt
    except ValueError as error:
        log.warning("Passed over %s: %s", destination.uri(name), error)
        return None


def _day_before(destination: Destination, day: date) -> Receipt | None:
    return None if day == date.min else standing_receipt(destination, day - timedelta(days=1))


def _receipts(destination: Destination, days: Iterable[date]) -> Iterator[Receipt]:
    return filter(None, (standing_receipt(destination, day) for day in days))
