"""The columns of what is loaded, and a receipt as a row."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

import pyarrow as pa

from mailpartner_provider.days import parse_utc
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.layouts import CREATED
from mailpartner_provider.lake.receipts import ChangesReceipt, Receipt, SnapshotReceipt
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from mailpartner_provider.warehouse.request import RECEIPTS

_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def columns_of(dataset: str, receipt: Receipt) -> pa.Schema:
    """Return the columns of the files of a dataset, or of its receipts."""
    if dataset == RECEIPTS:
        return _receipt_columns(type(receipt))
    email = EmailMode(receipt.email_mode).column
    if isinstance(receipt, ChangesReceipt):
        return changes_schema(snapshot_schema(email))
    is_created = isinstance(receipt, SnapshotReceipt) and receipt.partition_by == CREATED
    return created_schema(email) if is_created else snapshot_schema(email)


def values_of(receipt: Receipt) -> list[Any]:
    """Return a receipt as the values of a row, in the order of the columns.

    :raises BadData: a member has no value of its type
    """
    values = []
    for member, column in zip(fields(receipt), _receipt_columns(type(receipt)), strict=True):
        try:
            value = _value(column.name, getattr(receipt, member.name))
            is_valid = pa.scalar(value, column.type).is_valid or column.nullable
        except (ValueError, TypeError, OverflowError):
            is_valid = False
        if not is_valid:
            raise BadData(
                f"the receipt of {receipt.day} has no valid {member.name}: restore it, or land "
                "that day again",
                day=receipt.day,
            )
        values.append(value)
    return values


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
