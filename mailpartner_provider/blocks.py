"""A block (whole raw records, comma between them) becomes typed rows.

The fast way has Arrow read whole columns. Rows that Arrow leaves in doubt are settled one by one
from their own texts, and a block in doubt is decoded the exact way, record by record.
"""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.columns import (
    doubtful_emails,
    either,
    instants,
    integers,
    read_columns,
)
from mailpartner_provider.records import (
    FIELDS,
    SCHEMA,
    Rejected,
    Unsubscribe,
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
    """Type every record of a block; None when it is not a comma-separated run of JSON values."""
    return decode_fast(text, zone) or decode_exactly(text, zone)


def decode_fast(text: bytes, zone: ZoneInfo) -> Block | None:
    """Decode through Arrow, rows in doubt excepted; None when the whole block is in doubt."""
    columns = read_columns(text)
    try:
        read_instants = columns and instants(columns[2], zone)
    except pa.ArrowInvalid:  # Arrow has zones of its own, and not always this one
        return None
    if columns is None or read_instants is None:
        return None
    ids, doubtful_ids = integers(columns[0])
    created_at, doubtful_instants = read_instants
    doubtful = either(either(doubtful_ids, doubtful_emails(columns[1])), doubtful_instants)
    rows = [ids, columns[1], created_at, pa.nulls(len(ids), pa.string())]
    if doubtful is None:
        return Block(pa.RecordBatch.from_arrays(rows, schema=SCHEMA), [], frozenset())
    return _settle(rows, doubtful, text, zone)


def decode_exactly(text: bytes, zone: ZoneInfo) -> Block | None:
    """Decode record by record; None when the block is not JSON."""
    try:
        raw_records = parse_json(f"[{text.decode()}]")
    except (ValueError, RecursionError):
        return None
    rows, rejected = [], []
    unknown: set[str] = set()
    for raw in raw_records:
        row = read_record(raw, zone)
        if isinstance(row, Rejected):
            rejected.append(row)
        else:
            rows.append(row)
        if isinstance(raw, dict):
            unknown.update(raw.keys() - FIELDS)
    return Block(_batch(rows), rejected, frozenset(unknown))


def _settle(rows: list[pa.Array], doubtful: pa.Array, text: bytes, zone: ZoneInfo) -> Block | None:
    """Replace the rows in doubt by what their own texts say, the exact way."""
    texts = text.split(b"}")
    if len(texts) != len(doubtful) + 1:  # a brace inside a text: which of them ends a record?
        return None
    settled: list[Unsubscribe] = []
    rejected: list[Rejected] = []
    places: list[int] = []
    for place in pc.indices_nonzero(doubtful).to_pylist():
        try:
            row = read_record(parse_json(texts[place].decode().lstrip(", \t\r\n") + "}"), zone)
        except (ValueError, RecursionError):
            return None
        if isinstance(row, Rejected):
            rejected.append(row)
        else:
            settled.append(row)
            places.append(place)
    sure = pc.invert(doubtful)
    batch = pa.RecordBatch.from_arrays([row.filter(sure) for row in rows], schema=SCHEMA)
    if settled:
        order = pa.concat_arrays([pc.indices_nonzero(sure), pa.array(places, pa.uint64())])
        both = pa.Table.from_batches([batch, _batch(settled)]).take(pc.sort_indices(order))
        batch = both.combine_chunks().to_batches()[0]
    return Block(batch, rejected, frozenset())


def _batch(rows: list[Unsubscribe]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
