"""A block (whole raw records, comma between them) becomes typed rows.

The fast way has Arrow read whole columns. Rows that Arrow leaves in doubt are settled one by one
from their own texts, and a block in doubt is decoded the exact way, record by record.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.api.columns import (
    doubtful_emails,
    either,
    instants,
    integers,
    read_columns,
)
from mailpartner_provider.api.records import (
    FIELDS,
    SCHEMA,
    Rejected,
    Unsubscribe,
    extra_fields_of,
    parse_json,
    read_record,
)


class Block(NamedTuple):
    """The rows of some raw records, those that could not be rows, and fields we do not know."""

    batch: pa.RecordBatch
    rejected: list[Rejected]
    unknown_fields: frozenset[str]

    @property
    def received(self) -> int:
        """How many raw records went in."""
        rows: int = self.batch.num_rows
        return rows + len(self.rejected)


def decode_block(text: bytes, zone: ZoneInfo) -> Block | None:
    """Type every record of a block.

    None when it is not a comma-separated run of JSON values, or nested too deep to read.
    """
    try:
        return decode_fast(text, zone) or decode_exactly(text, zone)
    except RecursionError:
        return None


def decode_fast(text: bytes, zone: ZoneInfo) -> Block | None:
    """Decode through Arrow, rows in doubt excepted; None when the whole block is in doubt."""
    columns = read_columns(text)
    created = columns and instants(columns.created, zone)
    raw_records = _parsed(text) if columns and columns.has_unknown_fields else []
    if columns is None or created is None or raw_records is None:
        return None
    ids, doubtful_ids = integers(columns.ids)
    created_at, doubtful_instants = created
    extra_fields = (
        pa.array([extra_fields_of(raw) for raw in raw_records], pa.string())
        if raw_records
        else pa.nulls(len(ids), pa.string())
    )
    arrays = [ids, columns.emails, created_at, extra_fields]
    unknown = _unknown_fields(raw_records)
    doubtful = either(either(doubtful_ids, doubtful_emails(columns.emails)), doubtful_instants)
    if doubtful is None:
        return Block(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), [], unknown)

    places = pc.indices_nonzero(doubtful).to_pylist()
    in_doubt = raw_records or _records_at(places, text, len(ids))
    if in_doubt is None:
        return None
    settled = {place: read_record(in_doubt[place], zone) for place in places}
    return Block(*_settle(arrays, doubtful, settled), unknown)


def decode_exactly(text: bytes, zone: ZoneInfo) -> Block | None:
    """Decode record by record; None when the block is not JSON."""
    raw_records = _parsed(text)
    if raw_records is None:
        return None
    read = [read_record(raw, zone) for raw in raw_records]
    rows = [row for row in read if isinstance(row, Unsubscribe)]
    rejected = [row for row in read if isinstance(row, Rejected)]
    return Block(_batch(rows), rejected, _unknown_fields(raw_records))


def _parsed(text: bytes) -> list[Any] | None:
    try:
        raw_records: list[Any] = parse_json(f"[{text.decode()}]")
    except ValueError:
        return None
    return raw_records


def _unknown_fields(raw_records: list[Any]) -> frozenset[str]:
    known = (raw.keys() for raw in raw_records if isinstance(raw, dict))
    return frozenset().union(*known) - FIELDS


def _records_at(places: list[int], text: bytes, count: int) -> dict[int, Any] | None:
    """Read some of a block's raw records; None when their places cannot be told."""
    texts = text.split(b"}")
    if len(texts) != count + 1:  # a brace inside a text: which of them ends a record?
        return None
    try:
        return {
            place: parse_json(texts[place].decode().lstrip(", \t\r\n") + "}") for place in places
        }
    except ValueError:
        return None


def _settle(
    arrays: list[pa.Array], doubtful: pa.Array, settled: dict[int, Unsubscribe | Rejected]
) -> tuple[pa.RecordBatch, list[Rejected]]:
    """Replace the rows in doubt by what they turned out to be, each in its place."""
    sure = pc.invert(doubtful)
    batch = pa.RecordBatch.from_arrays([array.filter(sure) for array in arrays], schema=SCHEMA)
    rows = {place: row for place, row in settled.items() if isinstance(row, Unsubscribe)}
    if rows:
        order = pa.concat_arrays([pc.indices_nonzero(sure), pa.array(list(rows), pa.uint64())])
        both = pa.Table.from_batches([batch, _batch(list(rows.values()))])
        batch = both.take(pc.sort_indices(order)).combine_chunks().to_batches()[0]
    return batch, [row for row in settled.values() if isinstance(row, Rejected)]


def _batch(rows: list[Unsubscribe]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
