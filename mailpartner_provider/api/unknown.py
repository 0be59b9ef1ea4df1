"""Unknown fields as JSON, without parsing the records of a block one by one.

Arrow infers the columns of these fields. All columns are then written as JSON again, which must
equal the block byte by byte: each record has these fields with these values, and no others.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.api.columns import Columns
from mailpartner_provider.exact_json import parse_json, to_json

_ESCAPED_IN_ASCII = "[^ -~]"


def extra_fields_of_block(data: bytes, columns: Columns) -> pa.Array | None:
    """Return the unknown fields of each record, as ``extra_fields_of`` writes them.

    Return None if the records have to be parsed: they do not have the same fields, or have values
    that JSON can spell in several ways, such as fractions and texts with escapes.
    """
    unknown = columns.unknown
    if not unknown:
        return None
    known = {"id": columns.ids, "email": columns.emails, "createdAt": columns.created}
    texts = {name: _as_json(values) for name, values in {**known, **unknown}.items()}
    names = _first_names(data)
    if set(names) != set(texts) or None in texts.values():
        return None
    space = " " if data.startswith(f"{{{to_json(names[0])}: ".encode()) else ""
    again = _objects({name: texts[name] for name in names}, "},", space)
    if not again.buffers()[2].equals(pa.py_buffer(data + b",")):
        return None
    extra = {name: texts[name] for name in names if name in unknown}
    if any(_is_any_escaped(each) for each in extra.values()):
        return None
    return _objects(extra, "}")


def _first_names(data: bytes) -> list[str]:
    """Return the names of the first record's fields, in order; none if it is not found."""
    try:
        return list(parse_json(data[: data.find(b"}") + 1].decode()))
    except ValueError:
        return []


def _as_json(values: pa.Array) -> pa.Array | None:
    """Write each value as JSON; return None for a type that JSON can spell in several ways."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_timestamp(kind):
        texts = pc.binary_join_element_wise('"', values.cast(pa.string()), '"', "")
    elif pa.types.is_int64(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        texts = values.cast(pa.string())
    else:
        return None
    return texts.fill_null("null")


def _objects(fields: dict[str, pa.Array], end: str, space: str = "") -> pa.Array:
    """Write JSON objects with these fields."""
    parts: list[str | pa.Array] = []
    for name, texts in fields.items():
        before = f",{space}" if parts else "{"
        parts += [f"{before}{to_json(name)}:{space}", texts]
    return pc.binary_join_element_wise(*parts, end, "")


def _is_any_escaped(texts: pa.Array) -> bool:
    """Return whether JSON in ASCII has another spelling of any of these texts."""
    return bool(pc.any(pc.match_substring_regex(texts, _ESCAPED_IN_ASCII)).as_py())
