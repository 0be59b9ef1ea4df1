"""What was landed before: the receipts in a destination."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import TypeVar

from mailpartner_provider.lake import names
from mailpartner_provider.lake.receipts import Receipt, read_receipt
from mailpartner_provider.lake.storage import Destination

log = logging.getLogger(__name__)

_Kind = TypeVar("_Kind", bound=Receipt)


def receipt_of(destination: Destination, day: date, kind: type[_Kind]) -> _Kind | None:
    """Read the receipt of a day; None if there is none, or none of this kind that can be read."""
    name = names.receipt_file(day)
    data = destination.read(name)
    if data is None:
        return None
    try:
        receipt = read_receipt(data)
        if receipt.snapshot_date != day.isoformat():
            raise ValueError(f"it is the receipt of {receipt.snapshot_date}")
        if not isinstance(receipt, kind):
            raise ValueError(f"it is a receipt of {receipt.dataset}")
        return receipt
    except ValueError as error:
        log.warning("Ignoring unreadable receipt %s: %s", destination.uri(name), error)
        return None


def receipts(
    destination: Destination, kind: type[_Kind], days: Iterable[date] | None = None
) -> Iterator[_Kind]:
    """Read the receipts of these days, or of all days, the newest first."""
    days = days_with_receipts(destination) if days is None else days
    return filter(None, (receipt_of(destination, day, kind) for day in days))


def earlier_days(destination: Destination, day: date) -> Iterator[date]:
    """List the days before a day that may have a receipt, the newest first.

    The day before comes first, so that a daily landing lists nothing.
    """
    if day > date.min:
        day_before = day - timedelta(days=1)
        yield day_before
        yield from (found for found in days_with_receipts(destination) if found < day_before)


def days_with_receipts(destination: Destination) -> list[date]:
    """List the days that have a receipt, the newest first."""
    days = map(names.day_in_name, destination.list_folder(names.RECEIPTS))
    return sorted(set(filter(None, days)), reverse=True)
