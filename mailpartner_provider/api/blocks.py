"""A block (whole raw records, separated by commas) becomes typed rows.

The fast path reads whole columns with Arrow, then decodes the rows in doubt one by one from their
text. If the whole block is in doubt, every record is decoded one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.api.cells import cut_columns
from mailpartner_provider.api.columns import (
    Columns,
    doubtful_emails,
    either,
    instants,
    integers,
    read_columns,
)
from mailpartner_provider.api.records import (
    FIELDS,
    Rejected,
    Unsubscribe,
    extra_fields_of,
    read_record,
)
from mailpartner_provider.api.unknown import extra_fields_of_block
from mailpartner_provider.exact_json import parse_json
from mailpartner_provider.schemas import RECORD


class Block(NamedTuple):
    """The rows of some raw records, the rejected records, and the names of unknown fields."""

    batch: pa.RecordBatch
    rejected: list[Rejected]
    unknown_fields: frozenset[str]

    @property
    def received(self) -> int:
        """The number of raw records in the block."""
        rows: int = self.batch.num_rows
        return rows + len(self.rejected)


def decode_block(data: bytes, zone: ZoneInfo) -> Block | None:
    """Decode every record of a block.

    Return None if it is not a comma-separated sequence of JSON values, or nested too deeply.
    """
    try:
        return decode_fast(data, zone) or decode_exactly(data, zone)
    except RecursionError:
        return None


def decode_fast(data: bytes, zone: ZoneInfo) -> Block | None:
    """Decode with Arrow, except for rows in doubt; return None if the whole block is in doubt."""
    columns = cut_columns(data) or read_columns(data)
    created = columns and instants(columns.created, zone)
    extra = columns and _extra_fields(data, columns)
    if columns is None or created is None or extra is None:
        return None
    ids, doubtful_ids = integers(columns.ids)
    created_at, doubtful_instants = created
    extra_fields, unknown, raw_records = extra
    arrays = [ids, columns.emails, created_at, extra_fields]
    doubtful = either(either(doubtful_ids, doubtful_emails(columns.emails)), doubtful_instants)
    if doubtful is None:
        return Block(pa.RecordBatch.from_arrays(arrays, schema=RECORD), [], unknown)

    indices = pc.indices_nonzero(doubtful).to_pylist()
    in_doubt = raw_records or _records_at(indices, data, len(ids))
    if in_doubt is None:
        return None
    decoded = {index: read_record(in_doubt[index], zone) for index in indices}
    return Block(*_replace_doubtful(arrays, doubtful, decoded), unknown)


def decode_exactly(data: bytes, zone: ZoneInfo) -> Block | None:
    """Decode record by record; return None if the block is not JSON."""
    raw_records = _parsed(data)
    if raw_records is None:
        return None
    decoded = [read_record(raw, zone) for raw in raw_records]
    rows = [row for row in decoded if isinstance(row, Unsubscribe)]
    rejected = [row for row in decoded if isinstance(row, Rejected)]
    return Block(_batch(rows), rejected, _unknown_names(raw_records))


def _extra_fields(
    data: bytes, columns: Columns
) -> tuple[pa.Array, frozenset[str], list[Any]] | None:
    """Return ``extra_fields``, the names in it, and the raw records if they had to be parsed."""
    if columns.unknown == {}:
        return pa.nulls(len(columns.ids), pa.string()), frozenset(), []
    if columns.unknown and (texts := extra_fields_of_block(data, columns)) is not None:
        return texts, frozenset(columns.unknown), []
    raw_records = _parsed(data)
    if raw_records is None:
        return None
    texts = pa.array([extra_fields_of(raw) for raw in raw_records], pa.string())
    return texts, _unknown_names(raw_records), raw_records


def _parsed(data: bytes) -> list[Any] | None:
    try:
        raw_records: list[Any] = parse_json(f"[{data.decode()}]")
    except ValueError:
        return None
    return raw_records


def _unknown_names(raw_records: list[Any]) -> frozenset[str]:
    return frozenset().union(*(raw for raw in raw_records if isinstance(raw, dict))) - FIELDS


def _records_at(indices: list[int], data: bytes, count: int) -> dict[int, Any] | None:
    """Parse some of a block's raw records; return None if they cannot be located."""
    parts = data.split(b"}")
    if len(parts) != count + 1:  # a brace inside a text, so the ends of records are unknown
        return None
    try:
        return {
            index: parse_json(parts[index].decode().lstrip(", \t\r\n") + "}") for index in indices
        }
    except ValueError:
        return None


def _replace_doubtful(
    arrays: list[pa.Array], doubtful: pa.Array, decoded: dict[int, Unsubscribe | Rejected]
) -> tuple[pa.RecordBatch, list[Rejected]]:
    """Replace the rows in doubt with their exactly decoded form; keep the order."""
    sure = pc.invert(doubtful)
    batch = pa.RecordBatch.from_arrays([array.filter(sure) for array in arrays], schema=RECORD)
    rows = {index: row for index, row in decoded.items() if isinstance(row, Unsubscribe)}
    if rows:
        order = pa.concat_arrays([pc.indices_nonzero(sure), pa.array(list(rows), pa.uint64())])
        both = pa.Table.from_batches([batch, _batch(list(rows.values()))])
        batch = both.take(pc.sort_indices(order)).combine_chunks().to_batches()[0]
    return batch, [row for row in decoded.values() if isinstance(row, Rejected)]


def _batch(rows: list[Unsubscribe]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ([] for _ in RECORD)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RECORD, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD)
