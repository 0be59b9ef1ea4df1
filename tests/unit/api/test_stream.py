"""An answer is read as it says, however it is written and cut into chunks; a damaged one is not."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given

from mailpartner_provider.api.source import BLOCK_BYTES, MAX_VALUE_BYTES
from mailpartner_provider.errors import RequestFailed
from tests.support.answers import (
    DAMAGED_ANSWERS,
    GOOD_ANSWERS,
    SPLICED_ANSWERS,
    WRONG_ANSWERS,
    cases,
    pieces,
)
from tests.support.api import listing
from tests.support.days import PARIS
from tests.support.oracle import (
    TODAY,
    Case,
    assert_landed_right,
    assert_read_right,
    assert_right,
    read_whole,
    room_to_recurse,
)
from tests.support.streams import GOOD, ids, opened

LONG = "9" * 5000


class TestAlways:
    @given(cases(GOOD_ANSWERS))
    def test_good(self, case):
        """A good answer gives its records and lands them, however it is written and cut."""
        with room_to_recurse():
            assert read_whole(case.body) is not None

        assert_right(case)

    @given(cases(WRONG_ANSWERS))
    def test_wrong(self, case):
        """An answer that is JSON, and yet not good, is an error of ours, and changes nothing."""
        assert_right(case)

    @given(cases(DAMAGED_ANSWERS))
    def test_damaged(self, case):
        """A damaged answer is an error of ours, or still good and taken for just that."""
        assert_right(case)

    @given(cases(SPLICED_ANSWERS))
    def test_spliced(self, case):
        """The halves of two answers are an error of ours, or good and taken for just that."""
        assert_right(case)

    def test_quotes_out_of_step(self):
        """A quote too many before deep nesting is an error of ours."""
        body = b'{&success": fal' + b"[" * 700 + b', "code"3 :2}'

        assert_right(Case(body, [body], BLOCK_BYTES, PARIS, None))


class TestChunks:
    body = (
        b'\xef\xbb\xbf{"took":-1.5e+3,"n":[0.5,1E-7,12],"success":true,"nbData":3,"data":[\n'
        b'{"id":1,"email":"a","cost":0.25},{"id":"2","email":"\\ud83d\\ude00\xc3\xa9"}, 3.75 ]}\r\n'
    )

    @pytest.mark.parametrize("at", range(len(body) + 1))
    def test_split_in_two(self, at):
        """An answer may be split anywhere: inside a number, an escape, a letter, the mark."""
        assert_read_right(self.body, [self.body[:at], self.body[at:]])

    @pytest.mark.parametrize("size", range(1, 12))
    def test_sizes(self, size):
        """Chunks of any size give the same."""
        assert_read_right(self.body, pieces(self.body, size), block_bytes=20)

    def test_empty_chunks(self):
        """A chunk may be empty."""
        assert [19, 20, 2**53 + 1] == ids([b"", GOOD[:90], b"", b"", GOOD[90:], b""])

    def test_broken_connection(self):
        """An error from below comes up as it is, whatever was read before it."""

        def chunks():
            yield GOOD[:150]
            raise RequestFailed("the connection broke")

        with pytest.raises(RequestFailed, match="the connection broke"):
            ids(chunks())

    def test_left_early(self):
        """A caller may stop before the end."""
        body = json.dumps(listing([{"id": n, "email": "a" * 9000} for n in range(2000)])).encode()
        blocks = iter(opened(pieces(body, 65_536)))

        assert 0 == next(blocks).batch.column("id")[0].as_py()
        blocks.close()


class TestCuts:
    @pytest.mark.parametrize(
        "trap", ["},{", "},", '"},{"', "\\},{", "]},{", '}],"data":[{', '"data":[', "]}", "},\n{"]
    )
    @pytest.mark.parametrize("block_bytes", [60, 90, 150])
    def test_texts(self, trap, block_bytes):
        """A text that looks like the end of a record does not cut it in two."""
        records = [{"id": n, "email": f"{trap * (n % 9)}@example.com"} for n in range(40)]
        body = json.dumps(listing(records)).encode()

        assert_read_right(body, pieces(body, 50), block_bytes)

    @pytest.mark.parametrize(
        "member",
        [
            '"x":[{},{},{"y":{}},{}]',
            '"x":{"a":{},"b":{"c":{}},"d":[{}]}',
            '"createdAt":{"date":{},"timezone":{}}',
            '"id":{"a":{},"b":1}',
        ],
    )
    @pytest.mark.parametrize("block_bytes", [10, 30, 60, 90])
    def test_nesting(self, member, block_bytes):
        """An object inside a record does not cut it in two."""
        record = f'{{"id":1,"email":"a",{member}}}'
        body = f'{{"success":true,"data":[{",".join([record] * 20)}]}}'.encode()

        assert_read_right(body, [body], block_bytes)

    @pytest.mark.parametrize("tail", ['"x":{"y":{},"z":[{},{}]}', '"x":[{"id":9,"email":"a"},{}]'])
    def test_members_after_the_list(self, tail):
        """What follows on the list is not taken for records."""
        for block_bytes in range(1, 120, 2):
            body = f'{{"success":true,"data":[{{"id":1,"email":"a"}},{{}}],{tail}}}'.encode()

            assert_read_right(body, [body], block_bytes)

    def test_real_size(self):
        """Long texts and objects full of traps, wherever blocks are cut, lose no record."""
        half = BLOCK_BYTES // 2
        traps = [
            '"x":"' + "},{" * (half // 3) + '"',
            '"x":[' + '{"y":{}},' * (half // 9) + "{}]",
            '"x":"' + '}],\\"data\\":[{},' * (half // 16) + '"',
            '"x":{' + '"y":{},' * (3 * half // 7) + '"z":{}}',
            '"x":[' + "{},\n" * (half // 4) + "0]",
        ]
        members = ['"createdAt":"2015-07-20 10:19:45"', *traps]
        records = [
            f'{{"id":{n},"email":"{"a" * 900}{n}",{members[n // 500 if n % 500 == 7 else 0]}}}'
            for n in range(3000)
        ]
        body = f'{{"success":true,"nbData":3000,"data":[{",".join(records)}]}}'.encode()
        assert len(body) > 3 * BLOCK_BYTES

        blocks = list(opened(pieces(body, 100_000)))

        assert list(range(3000)) == list(
            chain.from_iterable(block.batch.column("id").to_pylist() for block in blocks)
        )
        extra = [
            text for block in blocks for text in block.batch.column("extra_fields").to_pylist()
        ]
        assert [507, 1007, 1507, 2007, 2507] == [n for n, text in enumerate(extra) if text]
        assert [json.loads(f"{{{trap}}}") for trap in traps] == [json.loads(x) for x in extra if x]


class TestLimits:
    @pytest.mark.parametrize("size", [2**20, 2**30])
    @pytest.mark.parametrize(("over", "good"), [(0, True), (1, False)])
    def test_longest_value(self, size, over, good):
        """A value of 64 MiB is read, and one of a byte more is broken, however it arrives."""
        text = b"x" * (MAX_VALUE_BYTES - 2 + over)
        body = b'{"meta":"%b","success":true,"nbData":1,"data":[{"id":1,"email":"a"}]}' % text

        if good:
            assert [1] == ids(pieces(body, size))
        else:
            with pytest.raises(RequestFailed, match="has a value of over 64 MiB"):
                ids(pieces(body, size))

    @pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ('{"message":', "}")])
    @pytest.mark.parametrize(
        "around",
        [
            '{"success":false,"code":7,"errors":%s}',
            '{"success":false,"code":7,"message":%s}',
            '{"success":true,"data":[{"id":1,"email":"a","x":%s}]}',
            '{"success":true,"data":[{"id":1,"email":"a","x":%s},{"id":2,"email":"b"}]}',
            '{"success":true,"data":{"0":{"id":1,"email":"a","createdAt":%s}}}',
        ],
    )
    def test_nesting(self, around, opener, closer):
        """Nesting of any depth is read, or is an error of ours."""
        for depth in (*range(300, 1010, 7), 100_000):
            body = around % (opener * depth + "0" + closer * depth)
            try:
                assert ids(body.encode())
            except RequestFailed as error:
                assert error.__context__ is None

    @pytest.mark.parametrize("key", ["1", "null"])
    def test_nesting_lands(self, key, tmp_path):
        """A record of any depth lands or is quarantined whole, or nothing changes."""
        for depth in (*range(850, 1010, 15), 100_000):
            record = f'{{"id":{key},"email":"a","x":{"[" * depth}{"]" * depth}}}'
            body = f'{{"success":true,"data":[{record},{record}]}}'.encode()

            assert_landed_right(Case(body, [body], BLOCK_BYTES, PARIS, TODAY), tmp_path)

    @pytest.mark.parametrize(
        "number", [LONG, "-" + LONG, "1e999999", "0." + LONG], ids=["whole", "less", "huge", "fine"]
    )
    def test_numbers(self, number):
        """A number of any length is kept as it stands."""
        record = f'{{"id":1,"email":"a","n":{number}}}'
        body = f'{{"success":true,"n":{number},"data":[{record}]}}'.encode()

        (block,) = opened(pieces(body, 1000))

        assert {"n": number} == json.loads(block.batch.column("extra_fields")[0].as_py())
