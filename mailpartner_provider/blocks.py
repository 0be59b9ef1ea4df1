"""A block (whole raw records, comma between them) becomes typed rows.

The fast way hands the block to Arrow's JSON reader under an explicit schema. It is trusted only
with what it does exactly: the smallest doubt sends the block the exact way, record by record.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from mailpartner_provider.records import FIELDS, SCHEMA, Rejected, parse_json, read_record

# A raw record as Arrow is to read it. Reading the block as one list proves that it is one:
# a block that was cut inside a record or a text does not parse.
_RAW = pa.struct({"id": pa.int64(), "email": pa.string(), "createdAt": pa.string()})
_PARSE = pj.ParseOptions(
    explicit_schema=pa.schema({"data": pa.list_(_RAW)}), unexpected_field_behavior="error"
)
# Before 1970 zones kept local mean time; after 2037 not every zone file has transitions.
_PLAIN_YEARS = range(0, int(datetime(2037, 1, 1, tzinfo=timezone.utc).timestamp()) * 1_000_000)
_CLOCK_TIME_LENGTH = len("2015-07-20 10:19:45")


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
    """Decode through Arrow; None at the smallest doubt."""
    wrapped = b'{"data":[' + text + b"]}"
    try:
        text.isascii() or text.decode()  # Arrow does not check UTF-8
        table = pj.read_json(
            pa.BufferReader(wrapped),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(wrapped) + 1),
            parse_options=_PARSE,
        )
        if table.num_rows != 1:  # a block that closes its list and opens another
            return None
        records = table.column("data").chunk(0).flatten()
        if records.null_count:
            return None
        identifiers, emails, created = records.flatten()
        if identifiers.null_count or emails.null_count or _any_blank(emails):
            return None
        created_at = _instants(created, zone)
    except (UnicodeDecodeError, pa.ArrowException):
        return None
    if created_at is None:
        return None
    extra_fields = pa.nulls(len(emails), pa.string())
    columns = [identifiers, emails, created_at, extra_fields]
    return Block(pa.RecordBatch.from_arrays(columns, schema=SCHEMA), [], frozenset())


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
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return Block(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), rejected, frozenset(unknown))


def _any_blank(emails: pa.StringArray) -> bool:
    shortest = pc.min(pc.binary_length(emails)).as_py()
    return shortest == 0 or pc.any(pc.utf8_is_space(emails)).as_py() is True


def _instants(created: pa.StringArray, zone: ZoneInfo) -> pa.TimestampArray | None:
    """Read ``2015-07-20 10:19:45`` and null; None when anything else is among them."""
    lengths = pc.min_max(pc.binary_length(created)).as_py().values()
    if set(lengths) - {_CLOCK_TIME_LENGTH, None}:
        return None
    instants = pc.assume_timezone(
        pc.cast(created, pa.timestamp("us")), zone.key, ambiguous="earliest", nonexistent="raise"
    ).cast(pa.timestamp("us", tz="UTC"))
    extremes = pc.min_max(instants.cast(pa.int64())).as_py().values()
    return instants if all(at is None or at in _PLAIN_YEARS for at in extremes) else None
