"""Unknown fields are written as JSON from columns, without parsing each record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.columns import read_columns
from mailpartner_provider.api.unknown import extra_fields_of_block
from tests.support.blocks import both

_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='\\"[{}'))
_VALUES = {
    "number": st.none() | st.integers(-(2**63), 2**63 - 1),
    "text": st.none() | _TEXTS,
    "time": st.just("2026-11-22 10:19:45"),
    "flag": st.none() | st.booleans(),
    "empty": st.none(),
}


def extra_fields(block: bytes) -> list[str] | None:
    """Write the unknown fields of a block from its columns."""
    columns = read_columns(block)
    texts = columns and extra_fields_of_block(block, columns)
    return texts and texts.to_pylist()


def spelled(records, space: str = "") -> bytes:
    """Write a block with or without a space after each comma and colon in a record."""
    separators = (f",{space}", f":{space}")
    return ",".join(json.dumps(record, separators=separators) for record in records).encode()


@given(
    st.permutations(["id", "email", "createdAt", "number", "text", "time", "flag", "empty"]),
    st.lists(st.fixed_dictionaries(_VALUES), min_size=1, max_size=5),
    st.sampled_from(["", " "]),
    st.sampled_from([int, str]),
)
def test_same_fields(names, unknown, space, write):
    """Records with the same flat fields are not parsed one by one."""
    records = []
    for n, fields in enumerate(unknown):
        known = {"id": write(n), "email": f"a{n}@example.com", "createdAt": "2015-07-20 10:19:45"}
        records.append({name: {**known, **fields}[name] for name in names})
    block = spelled(records, space)

    fast, _ = both(block)

    assert fast.batch.column("extra_fields").to_pylist() == extra_fields(block)


@pytest.mark.parametrize(
    "members",
    [
        '"x":1.5',
        '"x":1e3',
        '"x":-0',
        '"x":9223372036854775808',
        '"x":"\\u0061"',
        '"x":"é"',
        '"x":"\x7f"',
        '"é":1',
        '"x":[1]',
        '"x":{}',
        '"x":{"id":1}',
        '"x":1,"x":1',
        '"x": 1',
        '"x":1 ',
        '"x":"2026-11-22T10:19:45"',
        '"email":"b","x":1',
    ],
)
def test_parsed(members):
    """A block with a value or a space that JSON could spell otherwise is parsed."""
    record = '{"id":7,"email":"a@example.com","createdAt":"2015-07-20 10:19:45",%s}'
    usual, other = record % '"x":1', record % members

    for block in (other, f"{other},{usual}", f"{usual},{other}", f"{usual},{other},{usual}"):
        assert extra_fields(block.encode()) is None
        both(block)


@pytest.mark.parametrize("members", ['"y":1', '"x":1,"y":1', '"y":1,"x":1', '"x":"a"'])
def test_other_fields(members):
    """A block whose records have different fields is parsed."""
    record = '{"id":7,"email":"a@example.com","createdAt":"2015-07-20 10:19:45",%s}'
    usual, other = record % '"x":1', record % members

    for block in (f"{other},{usual}", f"{usual},{other}", f"{usual},{other},{usual}"):
        assert extra_fields(block.encode()) is None
        both(block)


def test_nested_very_deeply():
    """Arrow crashes when it infers the type of a value like this."""
    record = '{"id":7,"email":"a","x":%s}'

    for opener, closer in (("[", "]"), ('{"a":', "}")):
        assert extra_fields((record % (opener * 10_000 + "1" + closer * 10_000)).encode()) is None
