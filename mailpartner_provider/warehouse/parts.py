"""The parts of a lake to load: the days of a dataset, as its receipts declare them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.days import parse_utc
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
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from mailpartner_provider.warehouse.request import (
    CHANGES,
    CURRENT,
    RECEIPTS,
    SNAPSHOTS,
    LoadRequest,
)

_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


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


def columns_of(dataset: str, receipt: Receipt) -> pa.Schema:
    """Return the columns of the files of a dataset, or of its receipts."""
    if dataset == RECEIPTS:
        return _receipt_columns(type(receipt))
    email = EmailMode(receipt.email_mode).column
    if isinstance(receipt, ChangesReceipt):
        return changes_schema(snapshot_schema(email))
    is_created = isinstance(receipt, SnapshotReceipt) and receipt.partition_by == CREATED
    return created_schema(email) if is_created else snapshot_schema(email)


def find_parts(
    request: LoadRequest, raise_if_stopped: Callable[[], None]
) -> Iterator[Part | BadData]:
    """Yield the days to load, the oldest first; for an unreadable day, an error.

    :param raise_if_stopped: called before each day, and while waiting for its receipt; may raise
    :raises NothingToLand: the dataset is ``current``, and there is no live snapshot yet
    """
    source = request.source
    if request.dataset == CURRENT:
        yield from _find_current(source, days_until(source, request.today))
        return
    days = reversed(days_with_receipts(source))
    for day, receipt in read_receipts(source, days, raise_if_stopped):
        yield _part(request.dataset, receipt) if receipt else _unreadable(source, day)


def find_part(source: Destination, dataset: str, day: date) -> Part | None:
    """Return a day to load, as it is in the lake now; None if it has no readable receipt."""
    receipt = receipt_of(source, day)
    return _part(dataset, receipt) if receipt else None


def uri_of(source: Destination, dataset: str, part: Part) -> str:
    """Return the URI of what a day is loaded from: its file, its receipt, or all of ``created``."""
    if dataset == RECEIPTS:
        return source.uri(receipt_file(part.day))
    is_created = getattr(part.receipt, "partition_by", None) == CREATED
    return source.uri("").rstrip("/") if is_created else source.uri(partition_file(part.day))


def values_of(part: Part) -> list[Any]:
    """Return a receipt as the values of a row, in the order of the columns."""
    return [_value(field.name, getattr(part.receipt, field.name)) for field in fields(part.receipt)]


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


def _find_current(source: Destination, days: list[date]) -> Iterator[Part | BadData]:
    for day in days:
        receipt = receipt_of(source, day)
        if receipt is None:
            yield _unreadable(source, day)
        elif receipt.status == LIVE or getattr(receipt, "partition_by", None) == CREATED:
            yield _part(CURRENT, receipt)
            return
    raise NothingToLand(f"{source.uri('')} has no live snapshot yet, which is the current list")


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


def _receipt_columns(kind: type[Receipt]) -> pa.Schema:
    columns = []
    for field in fields(kind):
        name = "row_count" if field.name == "rows" else field.name  # ROWS is reserved in SQL
        kind_of_value, _, optional = str(field.type).partition(" | ")
        columns.append(pa.field(name, _type(name, kind_of_value), nullable=bool(optional)))
    return pa.schema(columns)


def _type(name: str, kind_of_value: str) -> pa.DataType:
    if kind_of_value == "str" and name.endswith("_date"):
        return pa.date32()
    if kind_of_value == "str" and name.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    return _TYPES[kind_of_value]


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str) and name.endswith("_date"):
        return date.fromisoformat(value)
    return parse_utc(value) if isinstance(value, str) and name.endswith("_at") else value


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
