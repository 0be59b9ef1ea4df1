"""What a stream makes of the members around the records."""

from __future__ import annotations

import json

import pytest

from mailpartner_provider.errors import BadData, RequestFailed, RequestRefused
from tests.support.answers import (
    pieces,
)
from tests.support.api import THREE, listing
from tests.support.oracle import (
    assert_rightly_raised,
)
from tests.support.streams import ids, opened

LONG = "9" * 5000


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
            with pytest.raises(RequestFailed, match="is broken"):
                list(opened(chunks))

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
    def test_not_utf8(self, encoding):
        """Bytes that are not UTF-8 are broken, be it in the records or around them."""
        for members in ({}, {"meta": "zoé@example.com"}):
            answer = listing([{"id": 1, "email": "björn"}][len(members) :], **members)
            body = json.dumps(answer, ensure_ascii=False).encode(encoding)

            with pytest.raises(RequestFailed, match="is broken") as caught:
                list(opened(body))
            assert_rightly_raised(caught.value, body)

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
            (
                {"success": False, "code": 10, "message": "non"},
                RequestRefused,
                "key is wrong: .*code 10.*: non",
            ),
            (
                {"success": False, "code": 500},
                RequestFailed,
                "reported a failure .code 500, HTTP 200",
            ),
            ({"code": "0200"}, RequestFailed, "reported a failure .HTTP 200"),
            ({"total": 3}, BadData, "has total"),
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
