"""The parts of a lake to load: the days of a dataset, as its receipts declare them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.errors import BadData, NothingToLand, UnknownPartition, WrongArgument
from mailpartner_provider.lake.history import (
    days_until,
    days_with_receipts,
    read_receipts,
    receipt_of,
    receipts,
)
from mailpartner_provider.lake.layouts import CREATED, digest_of_all, read_index
from mailpartner_provider.lake.names import partition_file, receipt_file
from mailpartner_provider.lake.receipts import LIVE, ChangesReceipt, Receipt, SnapshotReceipt
from mailpartner_provider.lake.scratch import digest
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.warehouse.request import (
    CHANGES,
    CURRENT,
    RECEIPTS,
    SNAPSHOTS,
    LoadRequest,
)


class Part(NamedTuple):
    """A day to load: its receipt, its number of rows, and their digest for ``<table>_loaded``."""

    receipt: Receipt
    sha256: str
    rows: int

    @property
    def day(self) -> date:
        """The day of the receipt."""
        return self.receipt.day


class File(NamedTuple):
    """A verified local copy of a file, and the URI of the file in the lake."""

    path: Path
    uri: str


def newest_receipt(source: Destination) -> Receipt:
    """Read the newest receipt, which has the dataset, layout and account of the source.

    :raises WrongArgument: there is none
    """
    if newest := next(receipts(source), None):
        return newest
    raise WrongArgument(
        f"source: {source.uri('')} has no readable receipt: correct the path, or land there first"
    )


def check_source(dataset: str, receipt: Receipt, uri: str) -> None:
    """Check that a source holds the files that a dataset is loaded from.

    :raises WrongArgument: it does not
    """
    expected = ChangesReceipt if dataset == CHANGES else SnapshotReceipt
    layout = getattr(receipt, "partition_by", None)
    if dataset != RECEIPTS and not isinstance(receipt, expected):
        raise WrongArgument(
            f"source: {uri} holds {receipt.dataset}, and dataset={dataset!r} needs "
            f"{expected.dataset}"
        )
    if dataset == SNAPSHOTS and layout == CREATED:
        raise WrongArgument(
            f"source: {uri} has partition_by={CREATED!r}, which is the list as it is now: use "
            f"dataset={CURRENT!r}"
        )


def find_parts(
    request: LoadRequest, raise_if_stopped: Callable[[], None]
) -> Iterator[Part | BadData]:
    """Yield the days to load, the oldest first; for an unreadable day, an error.

    :param raise_if_stopped: called before each day, and while waiting for its receipt; may raise
    :raises NothingToLand: the dataset is ``current``, and there is no live snapshot yet
    """
    if request.dataset == CURRENT:
        found = list(_find_current(request))
        if not found:
            uri = request.source.uri("")
            raise NothingToLand(f"{uri} has no live snapshot yet, which is the current list")
        yield from found
        return
    days = reversed(days_with_receipts(request.source))
    for day, receipt in read_receipts(request.source, days, raise_if_stopped):
        yield _part(request.dataset, receipt) if receipt else _unreadable(request.source, day)


def find_part(request: LoadRequest, day: date) -> Part | None:
    """Return a day to load, as it is in the lake now; None if it has no readable receipt.

    For ``current``, return the newest live list, which may be of a later day by now.
    """
    if request.dataset == CURRENT:
        return next((part for part in _find_current(request) if isinstance(part, Part)), None)
    receipt = receipt_of(request.source, day)
    return _part(request.dataset, receipt) if receipt else None


def uri_of(request: LoadRequest, part: Part) -> str:
    """Return the URI of what a day is loaded from: its file, its receipt, or all of ``created``."""
    source = request.source
    if request.dataset == RECEIPTS:
        return source.uri(receipt_file(part.day))
    is_created = getattr(part.receipt, "partition_by", None) == CREATED
    return source.uri("").rstrip("/") if is_created else source.uri(partition_file(part.day))


def fetch(
    source: Destination, part: Part, scratch: Path, on_file: Callable[[], None]
) -> list[File]:
    """Copy the files of a day to scratch space, and verify that they match its receipt.

    :param on_file: called before each file; may raise
    :raises UnknownPartition: a file is missing, or does not match
    """
    files = []
    for number, (name, sha256) in enumerate(_declared(source, part).items()):
        on_file()
        path = scratch / f"part-{number:05}.parquet"
        if source.fetch(name, path) is None:
            raise _unknown(source, part, f"{source.uri(name)} is missing")
        if digest(path) != sha256:
            raise _unknown(source, part, f"{source.uri(name)} does not match its receipt")
        files.append(File(path, source.uri(name)))
    return files


def check_columns(files: list[File], columns: pa.Schema, part: Part) -> None:
    """Check that files have these columns.

    :raises BadData: they do not, for example after a change of ``email_mode``
    """
    for file in files:
        found = pq.read_schema(file.path).names
        if found != columns.names:
            raise BadData(
                f"{file.uri} has the columns {', '.join(found)}, and the newest receipt declares "
                f"{', '.join(columns.names)}: load it into another table, from another folder",
                day=part.day,
            )


def _find_current(request: LoadRequest) -> Iterator[Part | BadData]:
    source = request.source
    for day in days_until(source, request.today):
        receipt = receipt_of(source, day)
        if receipt is None:
            yield _unreadable(source, day)
        elif receipt.status == LIVE or getattr(receipt, "partition_by", None) == CREATED:
            yield _part(CURRENT, receipt)
            return


def _part(dataset: str, receipt: Receipt) -> Part:
    if dataset == RECEIPTS:
        return Part(receipt, hashlib.sha256(receipt.to_json().encode()).hexdigest(), 1)
    return Part(receipt, receipt.sha256, receipt.rows)


def _declared(source: Destination, part: Part) -> dict[str, str]:
    """Return the digest of each file of a day, by name."""
    if getattr(part.receipt, "partition_by", None) != CREATED:
        return {partition_file(part.day): part.sha256}
    index = read_index(source) or {}
    if digest_of_all(each.sha256 for each in index.values()) != part.sha256:
        raise _unknown(source, part, f"the index in {source.uri('')} does not match its receipt")
    return {name: declared.sha256 for name, declared in sorted(index.items())}


def _unreadable(source: Destination, day: date) -> BadData:
    return BadData(
        f"the receipt of {day} in {source.uri('')} cannot be read: restore it, or land that day",
        day=day,
    )


def _unknown(source: Destination, part: Part, problem: str) -> UnknownPartition:
    return UnknownPartition(
        f"{problem}: if no landing is under way, restore the file, or land {part.day} again",
        day=part.day,
    )
