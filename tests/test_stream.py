"""An answer is read as it says, however it is written and cut into chunks; a damaged one is not."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from itertools import chain, cycle, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailpartner_provider import stream
from mailpartner_provider.errors import BadData, MailPartnerError, RequestFailed, RequestRefused
from mailpartner_provider.stream import BLOCK_BYTES, MAX_VALUE_BYTES, UnsubscribeStream
from tests.conftest import PARIS, THREE, listing
from tests.plain import (
    ANYTHING,
    RAW_RECORDS,
    STEADY,
    STYLES,
    TEXTS,
    Members,
    Pairs,
    Verbatim,
    alike,
    plain,
    plain_row,
    read_plainly,
    rendered,
    same_row,
)

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=timezone.utc)
GOOD = json.dumps(listing(THREE)).encode()
LONG = "9" * 5000


def pieces(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


def opened(chunks, **arguments) -> UnsubscribeStream:
    chunks = [chunks] if isinstance(chunks, bytes) else chunks
    return UnsubscribeStream(chunks, PARIS, observed_at=NOW, **arguments)


def ids(chunks):
    return [key for block in opened(chunks) for key in block.batch.column("id").to_pylist()]


# The answer as the contract has it ----------------------------------------------------------------


def read_whole(body: bytes):
    """Read an answer at once: the records, and what is declared; None when it is not good."""
    try:
        whole = read_plainly(body.decode("utf-8-sig"))
    except ValueError:
        return None
    if not isinstance(whole, Pairs) or len(dict(whole)) < len(whole):
        return None
    envelope = dict(whole)
    code, data, declared = (envelope.get(name) for name in ("code", "data", "nbData"))
    if envelope.get("success") is not True or envelope.keys() & {"total", "page", "nb_per_page"}:
        return None
    if "code" in envelope and (type(code) is not int or code != 200):
        return None
    if isinstance(declared, str) and re.fullmatch("[0-9]{1,18}", declared):
        declared = int(declared)
    if declared is not None and (type(declared) is not int or declared < 0):
        return None
    if isinstance(data, Pairs):
        keys = [int(key) if re.fullmatch("[0-9]{1,18}", key) else -1 for key, _ in data]
        if any(key <= before for before, key in pairwise([-1, *keys])):
            return None
        data = [record for _, record in data]
    if data is None and declared == 0:
        data = []
    if not isinstance(data, list) or len(data) < (declared or 0):
        return None
    return plain(data), declared


def assert_read_right(body: bytes, chunks, block_bytes: int = BLOCK_BYTES):
    """Hold the stream against the answer read at once: the same records, or an error of ours."""
    expected = read_whole(body)
    reading = opened(chunks)
    rows, rejected, unknown = [], [], set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK_BYTES", block_bytes)
        try:
            for block in reading:
                rows += [tuple(row.values()) for row in block.batch.to_pylist()]
                rejected += [record for _, record in block.rejected]
                unknown |= block.unknown_fields
        except MailPartnerError as error:
            assert expected is None, error
            assert (None, None) == (error.__cause__, error.__context__)
            return
    assert expected is not None, "a bad answer passed for a good one"
    records, declared = expected
    typed = [plain_row(record, PARIS) for record in records]
    usable = [row for row in typed if row is not None]
    assert (len(records), declared) == (reading.received, reading.declared)
    assert len(usable) == len(rows)
    assert all(same_row(row, *found) for row, found in zip(usable, rows, strict=True))
    left = [record for record, row in zip(records, typed, strict=True) if row is None]
    assert alike(left, plain(read_plainly(json.dumps(rejected))))
    fields = set(chain.from_iterable(record for record in records if isinstance(record, dict)))
    assert fields - {"id", "email", "createdAt"} == unknown


# Answers and what may happen to them --------------------------------------------------------------


RECORDS = st.lists(RAW_RECORDS, max_size=6)
STEPS = st.sampled_from([0, 0, 1, 3])
COUNTS = st.sampled_from(["right", "right", "right", "text", "fewer", "null", "absent"])
NAMES = st.sampled_from(["meta", "dat", "Data", "nb_data", "0", "},{"]) | TEXTS
OTHERS = st.lists(st.tuples(NAMES, ANYTHING), max_size=2)


@st.composite
def good_members(draw):
    """Members of a good answer: data of either shape, others among them, in any order."""
    raws, step, count = draw(RECORDS), draw(STEPS), draw(COUNTS)
    data = Members((str(step * n), raw) for n, raw in enumerate(raws)) if step else raws
    size = len(raws)
    members = {"success": True, "code": 200, "data": data}
    members["nbData"] = {"text": str(size), "fewer": size // 2, "null": None}.get(count, size)
    if count == "absent":
        del members["code"], members["nbData"]
    elif size == 0 and step == 1:
        members |= {"nbData": 0, "data": None}
    for name, value in draw(OTHERS):
        members.setdefault(name, value)
    return draw(st.permutations(list(members.items())))


WRONG = st.sampled_from(
    [("success", wrong) for wrong in (False, "true", 1, None)]
    + [("code", wrong) for wrong in ("200", "0200", 201, 10, None, True, Verbatim("2e2"), "x")]
    + [("nbData", wrong) for wrong in (10**6, -1, "-1", True, Verbatim("3.0"), "9" * 30, [], "١")]
    + [("data", wrong) for wrong in (None, "[]", 0, False, Members([("a", {})]))]
    + [("data", Members([(key, 1), ("0", 2)])) for key in ("0", "00", "1", "-1", "١")]
    + [("page", 1), ("total", None)]
)


@st.composite
def wrong_members(draw):
    """Members of an answer of which one is wrong, gone, or there twice."""
    good, (name, value), how = draw(good_members()), draw(WRONG), draw(st.integers(0, 3))
    kept = good if how == 0 else [member for member in good if member[0] != name]
    return draw(st.permutations(kept if how == 1 else [*kept, (name, value)]))


def written(members):
    """Write answers: white space and escapes of any kind, sometimes a byte order mark."""
    return st.builds(
        lambda mark, members, style: (mark + rendered(Members(members), cycle(style))).encode(),
        st.sampled_from(["", "", "", "\ufeff"]),
        members,
        STYLES,
    )


GOOD_ANSWERS = written(good_members())
WRONG_ANSWERS = written(wrong_members())
BITS = st.binary(min_size=1, max_size=2) | st.sampled_from(
    [b"},{", b"]}", b"}", b"]", b",", b":", b'"', b"\\", b"e5", b".5", b"null", b"\0", b"\xff"]
    + [b" ", b"\n", b"7", b"a", b"0", b"\xc3\xa9"] * 2
)
HOWS = st.sampled_from(["cut", "flip", "flip", "insert", "insert", "lose", "double"])
DAMAGES = st.lists(st.tuples(HOWS, BITS), min_size=1, max_size=2)


@st.composite
def damaged_answers(draw):
    """Good answers with bytes cut off, flipped, put in, lost or doubled."""
    body = draw(GOOD_ANSWERS)
    for how, new in draw(DAMAGES):
        at, few = draw(st.integers(0, len(body))), new[0] % 40
        body = {
            "cut": body[:at],
            "flip": body[:at] + new[:1] + body[at + 1 :],
            "insert": body[:at] + new + body[at:],
            "lose": body[:at] + body[at + few :],
            "double": body[: at + few] + body[at:],
        }[how]
    return body


CHUNK_SIZES = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 7, 16, 64, 10**6])


@st.composite
def cut(draw, body):
    """Cut bytes into chunks: of one byte, of one size, in one piece, or anywhere."""
    if size := draw(CHUNK_SIZES):
        return pieces(body, size)
    at = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return [body[start:end] for start, end in pairwise([0, *at, len(body)])]


BLOCK_SIZES = st.sampled_from([1, 3, 40, 100, 200, 400, BLOCK_BYTES])


class TestAlways:
    @settings(STEADY, max_examples=200)
    @given(st.data(), GOOD_ANSWERS, BLOCK_SIZES)
    def test_good(self, data, body, block_bytes):
        """A good answer gives its records, however it is written and cut."""
        assert read_whole(body) is not None

        assert_read_right(body, data.draw(cut(body)), block_bytes)

    @settings(STEADY, max_examples=150)
    @given(st.data(), WRONG_ANSWERS, BLOCK_SIZES)
    def test_wrong(self, data, body, block_bytes):
        """An answer that is JSON, and yet not good, is an error of ours."""
        assert_read_right(body, data.draw(cut(body)), block_bytes)

    @settings(STEADY, max_examples=250)
    @given(st.data(), damaged_answers(), BLOCK_SIZES)
    def test_damaged(self, data, body, block_bytes):
        """A damaged answer is an error of ours, or still good and read as just that."""
        assert_read_right(body, data.draw(cut(body)), block_bytes)


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
        """Whoever has seen enough may leave."""
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


class TestEnvelope:
    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "\ufeff", "[]", "null", '"{}"', "{", '{"success"', '{"success":', "{,}",
            "{null:1}", "{[]:1}", '{"success":true', '{"success":true,}', '{,"success":true}',
            '{"success" true}', '{"success"::true}', '{"success":true]', "{'success':true}",
            '{success:true,"data":[]}', '{"success":true,,"data":[]}', '{"success":true "data":[]}',
            '{1:1,"success":true}', '{"data":[],1:1,"success":true}',
            '{"data":[],1e400:1,"success":true}', f'{{"data":[],{"9" * 2000}:1,"success":true}}',
            '{"success":true,"data":{0:{}}}', '{"success":true,"data":{1e400:{}}}',
            '{"success":true,"data":{"0" {}}}', '{"success":true,"data":{"0":{},}}',
            '{"success":true,"data":{]}', '{"success":true,"data":[}', '{"data":[,]}',
            '{"success":true,"data":[{},]}', '{"success":true,"data":[{} {}]}', '{"data":[NaN]}',
            '{"success":true,"data":[{}]', '{"success":true,"data":[]}}',
            '{"success":true,"data":[]}{}', '{"success":true,"data":[]},',
            '{"success":true,"data":[]}\0', '\0{"success":true,"data":[]}', '{"success":true}//',
            '{"data":[],\x0b"success":true}', '\x0c{"data":[],"success":true}',
            '{"data":[{}\x1c,{}],"success":true}', '{"data":[],"success"\x85:true}',
            '\ufeff\ufeff{"success":true}', '{"x":NaN}', '{"x":01}', '{"x":1.}', '{"x":1e}',
            '{"x":-}', '{"x":1.,"y":2}', '{"x":"\n"}', '{"x":"\\x"}', '{"x":"\\u12"}',
            '{"x":\xa01}', '{"x":tru}', '{"success":true,"success":true}', '{"x":1,"x":1}',
            '{"data":[],"\\u0064ata":[],"success":true}', '{"data":[],"success":true,"data":null}',
        ],
    )  # fmt: skip
    def test_broken(self, text):
        """What is no JSON object of distinct members is broken, in one chunk or in many."""
        for chunks in ([text.encode()], pieces(text.encode(), 1)):
            with pytest.raises(RequestFailed, match="the answer is broken"):
                list(opened(chunks))

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
    def test_not_utf8(self, encoding):
        """Bytes that are not UTF-8 are broken, be it in the records or around them."""
        for members in ({}, {"meta": "é"}):
            answer = listing([{"id": 1, "email": "björn"}][len(members) :], **members)

            with pytest.raises(RequestFailed, match="the answer is broken"):
                list(opened(json.dumps(answer, ensure_ascii=False).encode(encoding)))

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(b"", "empty"), (b" \n", "empty"), (b"<html>", "text/html"), (b"\xef\xbb\xbf", "empty")],
    )
    def test_kind(self, body, kind):
        """What is no JSON object at all is named by its content type, or empty."""
        with pytest.raises(RequestFailed, match=f"it is {kind}, not a JSON object"):
            list(opened(body, content_type="text/html"))

    @pytest.mark.parametrize(
        ("keys", "good"),
        [
            (["0", "1", "2"], True),
            (["2", "7", "31"], True),
            (["00", "01", "002"], True),
            ([], True),
            (["9" * 18], True),
            (["9" * 19], False),
            (["0", "0"], False),
            (["0", "00"], False),
            (["1", "0"], False),
            (["9", "10"], True),
            (["10", "9"], False),
            (["-1"], False),
            (["+1"], False),
            (["1.0"], False),
            (["1e1"], False),
            ([" 1"], False),
            (["1\n"], False),
            (["١"], False),
            (["²"], False),
            ([""], False),
            (["anne"], False),
        ],
    )
    def test_numbered(self, keys, good):
        """Data may be an object whose keys are ascending numbers, and its values in that order."""
        members = ",".join(f'{json.dumps(k)}:{{"id":{n},"email":"a"}}' for n, k in enumerate(keys))
        body = f'{{"success":true,"nbData":{len(keys)},"data":{{{members}}}}}'.encode()

        if good:
            assert list(range(len(keys))) == ids(body)
        else:
            with pytest.raises(RequestFailed, match="its keys are not ascending numbers"):
                ids(body)

    @pytest.mark.parametrize(
        ("members", "kind", "words"),
        [
            ({"success": False, "code": 10, "message": "non"}, RequestRefused, "code 10; .*: non"),
            ({"success": False, "code": 500}, RequestFailed, "failed with HTTP 200 and code 500"),
            ({"code": "0200"}, RequestFailed, "failed with HTTP 200"),
            ({"total": 3}, BadData, "carries total"),
            ({"nbData": 4}, RequestFailed, "declares 4 records and holds 3"),
            ({"nbData": "three"}, RequestFailed, "nbData is not a count"),
            ({"data": None}, RequestFailed, "has no list of records"),
        ],
    )
    def test_verified_last(self, members, kind, words):
        """The envelope is verified by the time the stream ends, wherever its members stand."""
        answer = listing(THREE, **members)
        for ordered in (answer, dict(reversed(answer.items()))):
            with pytest.raises(kind, match=words):
                list(opened(json.dumps(ordered).encode()))

    def test_declared_and_received(self):
        """What is declared and what was received are known when the stream has ended."""
        reading = opened(json.dumps(listing([*THREE, None, 5], nbData="4")).encode())

        list(reading)

        assert (4, 5) == (reading.declared, reading.received)

    def test_mask(self):
        """The key is taken out of the API's own message."""
        body = b'{"success":false,"code":7,"message":"no s3cret"}'

        with pytest.raises(RequestFailed, match=r"no \*\*\*$"):
            list(opened(body, mask=lambda text: text.replace("s3cret", "***")))


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

    @pytest.mark.parametrize(
        "number", [LONG, "-" + LONG, "1e999999", "0." + LONG], ids=["whole", "less", "huge", "fine"]
    )
    def test_numbers(self, number):
        """A number of any length is kept as it stands."""
        record = f'{{"id":1,"email":"a","n":{number}}}'
        body = f'{{"success":true,"n":{number},"data":[{record}]}}'.encode()

        (block,) = opened(pieces(body, 1000))

        assert {"n": number} == json.loads(block.batch.column("extra_fields")[0].as_py())
