"""Columns of many raw records at once, read by Arrow, with masks of the rows in doubt.

A value is in doubt if Arrow might not read it exactly as ``records`` does. Every reader returns its
values and a mask of the rows in doubt, or None if there are none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

_CLOCK = pa.timestamp("us")
_UTC = pa.timestamp("us", tz="UTC")
_EIGHTEEN_DIGITS = "^-?[0-9]{1,18}$"
_CLOCK_TIME_LENGTH = len("2015-07-20 10:19:45")
# Before 1970 zones kept local mean time; after 2037 not every zone file has transitions.
_CLOCK_TIME = (
    "^(19[7-9][0-9]|20[0-2][0-9]|203[0-6])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    " ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
)
_EPOCH, _PLAIN_UNTIL = map(datetime.fromisoformat, ("1970-01-01", "2037-01-01"))
_DAY = timedelta(days=1)


def _parse_options(id_type: pa.DataType, unknown_fields: str) -> pj.ParseOptions:
    record = pa.struct({"id": id_type, "email": pa.string(), "createdAt": pa.string()})
    schema = pa.schema({"data": pa.list_(record)})
    return pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unknown_fields)


# Tried in this order, the most usual first; wrong ones fail at the first record that does not fit.
_PARSE_OPTIONS = tuple(
    _parse_options(id_type, unknown_fields)
    for unknown_fields in ("error", "infer", "ignore")
    for id_type in (pa.int64(), pa.string())
)


class Columns(NamedTuple):
    """The columns as Arrow read them: ``id`` (integer or text), ``email``, ``createdAt`` (text).

    ``unknown`` has the columns of unknown fields as Arrow inferred them; it is None if there are
    unknown fields that were not read.
    """

    ids: pa.Array
    emails: pa.Array
    created: pa.Array
    unknown: dict[str, pa.Array] | None


def read_columns(data: bytes) -> Columns | None:
    """Read the columns of a block; return None if Arrow cannot read it.

    The block is parsed as one list, which fails if it was cut inside a record or a text.
    """
    if not is_utf8(data):  # Arrow does not check it
        return None
    wrapped = b'{"data":[' + data + b"]}"
    for options in _PARSE_OPTIONS:
        if options.unexpected_field_behavior == "infer" and not _is_flat(data):
            continue  # Arrow would crash at deeply nested values
        try:
            table = pj.read_json(
                pa.BufferReader(wrapped),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(wrapped) + 1),
                parse_options=options,
            )
        except pa.ArrowException:
            continue
        if table.num_rows != 1:  # a block that closes its list and opens another
            return None
        records = table.column("data").chunk(0).flatten()
        if records.null_count:
            return None
        fields = dict(zip((field.name for field in records.type), records.flatten(), strict=True))
        ids, emails, created = (fields.pop(name) for name in ("id", "email", "createdAt"))
        all_known = options.unexpected_field_behavior == "error"
        return Columns(ids, emails, created, {} if all_known else fields or None)
    return None


def _is_flat(data: bytes) -> bool:
    """Return whether no record has a nested value; False if that is unknown."""
    return b"[" not in data and data.count(b"{") == data.count(b"},{") + 1


def is_utf8(data: bytes) -> bool:
    """Return whether these bytes are UTF-8."""
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def integers(ids: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return ids; those that are missing, or not only digits, are in doubt."""
    if pa.types.is_string(ids.type):
        plain = pc.match_substring_regex(ids, _EIGHTEEN_DIGITS)
        ids = pc.if_else(plain, ids, None).cast(pa.int64())
    return ids, ids.is_null() if ids.null_count else None


def doubtful_emails(emails: pa.Array) -> pa.Array | None:
    """Return a mask of the e-mails that are missing or blank; None if there are none."""
    shortest = pc.min(pc.binary_length(emails)).as_py()
    if shortest != 0 and not emails.null_count and not pc.any(pc.utf8_is_space(emails)).as_py():
        return None
    blank = pc.or_(pc.utf8_is_space(emails), pc.equal(pc.binary_length(emails), 0))
    return blank.fill_null(True)


def instants(created: pa.Array, zone: ZoneInfo) -> tuple[pa.Array, pa.Array | None] | None:
    """Convert clock times of a zone, such as ``2015-07-20 10:19:45``; anything else is in doubt.

    Return None if Arrow cannot decide which of them are in doubt.
    """
    clock = _clock_times(created)
    if clock is None:
        return None
    first, last = (
        None if at is None else timedelta(microseconds=at)
        for at in pc.min_max(clock.view(pa.int64())).as_py().values()
    )
    if first is None or last is None:
        return clock.cast(_UTC), _misread(created, clock)
    if first < timedelta() or last >= _PLAIN_UNTIL - _EPOCH:
        return None
    offset = _constant_offset(_EPOCH + first, _EPOCH + last, zone)
    read = _in_zone(clock, offset, zone)
    if read is None:
        return None
    return read[0], either(read[1], _misread(created, clock))


def _clock_times(created: pa.Array) -> pa.Array | None:
    """Parse plain clock times, null for the rest; None when one of them only looks plain."""
    try:
        lengths = pc.min_max(pc.binary_length(created)).as_py().values()
        if set(lengths) <= {_CLOCK_TIME_LENGTH, None}:
            return pc.cast(created, _CLOCK)
    except pa.ArrowInvalid:
        pass
    plain = pc.match_substring_regex(created, _CLOCK_TIME)
    try:
        return pc.cast(pc.if_else(plain, created, None), _CLOCK)
    except pa.ArrowInvalid:  # a thirtieth of February
        return None


def _in_zone(
    clock: pa.Array, offset: str | None, zone: ZoneInfo
) -> tuple[pa.Array, pa.Array | None] | None:
    """Convert clock times to instants; in doubt are those in an hour that the zone skipped.

    None when Arrow does not know the zone.
    """

    def instants(name: str, nonexistent: str) -> pa.Array:
        zoned = pc.assume_timezone(clock, name, ambiguous="earliest", nonexistent=nonexistent)
        return zoned.cast(_UTC)

    for name in filter(None, (offset, zone.key)):
        try:
            return instants(name, "raise"), None
        except pa.ArrowInvalid:  # an older Arrow knows no offsets; or an hour was skipped
            continue
    try:
        early, late = instants(zone.key, "earliest"), instants(zone.key, "latest")
    except pa.ArrowInvalid:
        return None
    return early, pc.not_equal(early, late)


def _constant_offset(first: datetime, last: datetime, zone: ZoneInfo) -> str | None:
    """Return the zone's offset, as ``+02:00``, if it is constant; Arrow converts it much faster."""
    days = (last - first) // _DAY + 3
    if days > 60:
        return None
    around = (first + (n - 1) * _DAY for n in range(days + 1))
    offsets = {at.replace(tzinfo=zone).strftime("%z") for at in around}
    return offsets.pop() if len(offsets) == 1 and all(len(each) == 5 for each in offsets) else None


def _misread(created: pa.Array, clock: pa.Array) -> pa.Array | None:
    """Return a mask of the rows whose ``createdAt`` was not parsed; None if there are none."""
    if clock.null_count == created.null_count:
        return None
    return pc.and_(created.is_valid(), clock.is_null())


def either(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    """Combine two masks, each of which may be missing."""
    masks = [mask.fill_null(False) for mask in (one, other) if mask is not None]
    return reduce(pc.or_, masks) if masks else None
