"""Blocks in the API's own spelling are cut into columns, without being parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.cells import cut_columns
from tests.support.blocks import USUAL, both

_TEXTS = st.text(st.characters(exclude_categories=["C"], exclude_characters='"\\')) | (
    st.sampled_from(["}", "},{", ":7,", "id", "createdAt", '},{"id":7,'.replace('"', "'")])
)
_RECORDS = st.lists(st.tuples(st.integers(1, 2**63 - 1), _TEXTS, _TEXTS), min_size=1)


def spelled(records) -> bytes:
    """Write a block in the API's own spelling."""
    return ",".join(
        f'{{"id":{n},"email":"{email}","createdAt":"{at}"}}' for n, email, at in records
    ).encode()


@given(_RECORDS)
def test_own_spelling(records):
    """Whatever the values are, they are cut out whole."""
    ids, emails, created, unknown = cut_columns(spelled(records))

    columns = (ids.to_pylist(), emails.to_pylist(), created.to_pylist())
    assert records == list(zip(*columns, strict=True))
    assert {} == unknown


@given(
    st.lists(st.tuples(st.integers(), _TEXTS, st.just("2015-07-20 10:19:45")), min_size=1),
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 3),
            st.sampled_from('":,}{0-x\\\n\x00\ufeff é').map(str.encode) | st.binary(max_size=1),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_damages(records, damages):
    """A block that is damaged somewhere is cut as the exact way reads it, or not at all."""
    block = spelled(records)
    for at, length, other in damages:
        at %= len(block) + 1
        block = block[:at] + other + block[at + length :]

    both(block)


@pytest.mark.parametrize(
    "record",
    [
        '{"email":"a","id":7,"createdAt":"b"}',
        '{"id":7,"createdAt":"b","email":"a"}',
        '{"id":7","createdAt":"b,"email":"a"}',
        '{"id":7,"email":"a,"email":"b"}',
        '{"id":7,"email":"a","createdAt":"b","email":"c"}',
        '{"id":7,"email":"a"}',
        '{"id":7,"email":"a","createdAt":null}',
        '{"id":"7","email":"a","createdAt":"b"}',
        '{"id":,"email":"a","createdAt":"b"}',
        '{"id":007,"email":"a","createdAt":"b"}',
        '{"id":0x7,"email":"a","createdAt":"b"}',
        '{"id":+7,"email":"a","createdAt":"b"}',
        '{"id":-0,"email":"a","createdAt":"b"}',
        '{"id":7.0,"email":"a","createdAt":"b"}',
        '{"id": 7,"email":"a","createdAt":"b"}',
        '{"id":7 ,"email":"a","createdAt":"b"}',
        '{"id":\ufeff7,"email":"a","createdAt":"b"}',
        '{"id":9223372036854775808,"email":"a","createdAt":"b"}',
        '{"id":7,"email":"\\u0061","createdAt":"b"}',
        '{"id":7,"email":"\\","createdAt":"b"}',
        '{"id":7,"email":"a\nb","createdAt":"b"}',
        b'{"id":7,"email":"\xff","createdAt":"b"}',
        b'{"id":7,"email":"\xed\xa0\x80","createdAt":"b"}',
        '["id":7,"email":"a","createdAt":"b"}',
        '{"id":7,"email":"a","createdAt":"b"]',
        '{"id":7,"email":"a","createdAt":"b"',
        '{"id":7,"email":"a","createdAt":"b"},',
        '{"id":7,"email":"a","createdAt":"b"} ',
        ' {"id":7,"email":"a","createdAt":"b"}',
        '{"ID":7,"email":"a","createdAt":"b"}',
        '{"id":7,"email":"a"""""}',
        '""""""""""}',
        '"""""""""",',
        "",
    ],
)
def test_other_spellings(record):
    """Any other spelling is left to the parser of JSON, wherever it stands in a block."""
    block, usual = record if isinstance(record, bytes) else record.encode(), USUAL.encode()

    for other in (block, usual + b"," + block, block + b"," + usual):
        assert cut_columns(other) is None
        both(other)
