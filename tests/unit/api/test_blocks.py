"""What a block of raw records is, and which of its records go the fast way."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from mailpartner_provider.api.blocks import Block, decode_block
from mailpartner_provider.exact_json import MAX_NESTING
from mailpartner_provider.schemas import RECORD
from tests.support.blocks import USUAL, both, created
from tests.support.days import PARIS
from tests.support.strategies import (
    SPACES,
)


@pytest.mark.parametrize(
    "text",
    [
        b",", b"]", b"]}", b"][", b"],[", b']}{"data":[', b']}\n{"data":[', b'],"data":[',
        b"\0", b"\0\0", b"{", b"}", b"{}{}", b"{},,{}", b"// x", b"/* x */",
        b"\xef\xbb\xbf", b"\xa0", b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"+1", b".5",
        b"1.", b"-", b"1e", b"0x1", b"tru", b"True", b"None", b"'a'", b"{a:1}", b'{1:"a"}',
        b'{"a"}', b'{"a":}', b'{"a":1,}', b"[1,]", b'{"id":NaN,"email":"a"}',
        b'{"id":01,"email":"a"}',
        b'{"id":1,"email":"a","createdAt":NaN}', b'"', b'"\\"',
        b'"\n"', b'"\t"', b'"\0"', b'"\x1f"', b'"\\x"', b'"\\u12"', b'"\\U00000041"',
        b'{"id":1,"email":"\0"}', b'{"id":1,"email":"\x1f"}', b'{"id":1,"email":"a\nb"}',
        b'"\xff"', b'"\xc3"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b"\xff",
        b'{"id":1,"email":"\xff"}', b'{"id":1,"email":"\xed\xa0\x80"}', b'{"id":1,"em\xffail":"a"}',
        b'{"x":"\xff","id":1,"email":"a"}',
    ],
)  # fmt: skip
def test_no_block(text):
    """What is no comma-separated run of JSON values is no block, wherever it stands."""
    usual = USUAL.encode()
    for block in (text, usual + text, usual + b"," + text, text + usual):
        assert decode_block(block, PARIS) is None, block


@pytest.mark.parametrize("opener", [b"[", b'{"a":', b'{"id":', b'{"id":1,"email":['])
def test_endless_nesting(opener):
    """Nesting without end is no block, and breaks nothing."""
    assert decode_block(opener * 100_000, PARIS) is None


@pytest.mark.parametrize("member", ["reason", "createdAt", "email"])
@pytest.mark.parametrize("usable", [True, False])
def test_deep_nesting(member, usable):
    """A record is read whole however deep it is nested, or the block is none."""
    record = '{"id":%s,"email":"a","%s":%s%s}'
    for depth in (10, *range(900, 1010), 5000, 100_000):
        text = record % (int(usable) or "null", member, "[" * depth, "]" * depth)
        block = decode_block(text.encode(), PARIS)

        assert block is None or 1 == block.received
    assert block is None


def test_deepest_nesting():
    """The deepest nesting that is read is the same on every Python."""
    record = '{"id":1,"email":"a","x":%s%s}'

    for depth, received in ((MAX_NESTING - 2, 1), (MAX_NESTING - 1, None)):
        block = decode_block((record % ("[" * depth, "]" * depth)).encode(), PARIS)
        assert received == (block and block.received)


@pytest.mark.parametrize("text", ["", " ", "\r\n\t"])
def test_no_record(text):
    """A block without records has the schema and no rows."""
    empty = Block(pa.RecordBatch.from_pylist([], RECORD), [], frozenset())

    assert (empty, empty) == both(text)


def test_schema():
    """The schema of both ways is the fixed one, nullability included."""
    fast, exact = both(USUAL)

    assert RECORD == fast.batch.schema == exact.batch.schema


@pytest.mark.parametrize("space", SPACES)
def test_blank(space):
    """An e-mail of any white space is rejected, among others and alone."""
    record = json.dumps({"id": 1, "email": space}, ensure_ascii=False)

    assert 1 == len(decode_block(record.encode(), PARIS).rejected)
    assert 1 == len(decode_block(f"{USUAL},{record},{USUAL}".encode(), PARIS).rejected)


@pytest.mark.parametrize(
    "text",
    [
        USUAL,
        USUAL.replace(",", " , ").replace(":", " : ", 1),
        json.dumps([json.loads(USUAL)] * 3, indent=4)[1:-1],
        '{"createdAt":null,"email":"björn@example.com","id":9007199254740993}',
        '{"id":1,"email":"a"}',
        '{"id":1,"email":"\\u00e9\\/\\ud83d\\ude00"}',
        created("2025-10-26 02:30:00"),
        created("2016-02-29T23:59:59"),
        f"{created('1970-01-01 01:00:00')},{created('2036-12-31 23:59:59')}",
    ],
)
def test_fast(text):
    """Ordinary records go the fast way, pretty-printed or not."""
    fast, _ = both(text)

    assert fast is not None


@pytest.mark.parametrize(
    "text",
    [
        created("2026-03-29 02:30:00"),
        created("1969-12-31 23:59:59"),
        created("2037-06-01 12:00:00"),
        created("2015-07-20 10:19:45.5"),
        created("0000-00-00 00:00:00"),
        '{"id":"1","email":"a"}',
        '{"id":1,"email":"a","reason":"spam"}',
        '{"id":1,"email":" "}',
        '{"id":1}',
        "null",
    ],
)
def test_doubt(text):
    """A record in doubt is decoded the exact way, and no record around it is lost."""
    both(f"{text},{USUAL}")
    both(f"{USUAL},{text}")
    _, exact = both(f"{USUAL},{text},{USUAL}")

    assert exact == decode_block(f"{USUAL},{text},{USUAL}".encode(), PARIS)
    assert 3 == exact.received


@pytest.mark.parametrize("between", [",", " ,", "\n,"])
@pytest.mark.parametrize("email", ["a},b", "},", "}", "{", "},{", "a} ,b", "\\u007d,"])
@pytest.mark.parametrize("doubtful", range(1, 4))
def test_braces_in_addresses(between, email, doubtful):
    """A brace in an address is not taken for the end of a record when a doubt is settled."""
    clock_times = ["2015-07-20 10:19:45"] * 4
    clock_times[doubtful] = "2026-03-29 02:30:00"
    emails = [email, *"abc"]
    records = [
        f'{{"id":{n},"email":"{emails[n]}","createdAt":"{clock_times[n]}"}}' for n in range(4)
    ]
    _, exact = both(f"{records[0]},{records[1]},{records[2]}{between}{records[3]}")

    assert [0, 1, 2, 3] == exact.batch.column("id").to_pylist()


def test_brace_and_null():
    """A brace in an address does not make up for a record that has none."""
    both(f'{{"id":1,"email":"a}},b"}},{USUAL},null')


def test_unknown_fields():
    """The names of unknown fields are returned, those of rejected records too."""
    block = decode_block(b'{"id":1,"email":"a","reason":1},{"ID":2},null,[{"x":1}]', PARIS)

    assert {"reason", "ID"} == block.unknown_fields
    assert (4, 1, 3) == (block.received, block.batch.num_rows, len(block.rejected))
