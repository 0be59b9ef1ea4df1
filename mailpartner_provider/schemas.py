"""The columns of every dataset. Their order is a promise: some loaders map columns by position."""

from __future__ import annotations

import pyarrow as pa

#: One unsubscribe, as decoded from the API.
RECORD = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("email", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC")),
        pa.field("extra_fields", pa.string()),
    ]
)
SNAPSHOT_DATE = pa.field("snapshot_date", pa.date32(), nullable=False)
CREATED_DATE = pa.field("created_date", pa.date32())

#: Columns with few distinct values; in the others a dictionary would only cost space and time.
REPETITIVE = frozenset(
    {"change", "snapshot_date", "previous_snapshot_date", "created_date", "extra_fields"}
)


def record_schema(email_column: str | None = "email") -> pa.Schema:
    """Return the columns of an unsubscribe.

    :param email_column: the column in the place of ``email``; None for no such column
    """
    index = RECORD.get_field_index("email")
    if email_column is None:
        return RECORD.remove(index)
    return RECORD.set(index, pa.field(email_column, pa.string(), nullable=False))


def snapshot_schema(email_column: str | None = "email") -> pa.Schema:
    """Return the columns of a day's snapshot."""
    return with_day_column(record_schema(email_column), SNAPSHOT_DATE)


def created_schema(email_column: str | None = "email") -> pa.Schema:
    """Return the columns of a partition by day of opt-out."""
    return with_day_column(record_schema(email_column), CREATED_DATE)


def changes_schema(snapshot: pa.Schema) -> pa.Schema:
    """Return the columns of the changes between two snapshots with these columns."""
    index = snapshot.get_field_index(SNAPSHOT_DATE.name) + 1
    dated = snapshot.insert(index, pa.field("previous_snapshot_date", pa.date32()))
    return dated.insert(0, pa.field("change", pa.string(), nullable=False))


def with_day_column(records: pa.Schema, day: pa.Field) -> pa.Schema:
    """Return the columns with the day of the partition inserted after ``created_at``."""
    return records.insert(records.get_field_index("created_at") + 1, day)
