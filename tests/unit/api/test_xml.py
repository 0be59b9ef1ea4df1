"""What is read of an answer in XML."""

from __future__ import annotations

import time

import pytest

from mailpartner_provider.api.envelope import (
    read_xml,
    refusal,
)
from mailpartner_provider.errors import BadData, RequestRefused

CALL = "unsubscribe/list"


def in_xml(*entries: str, declaration: str = "<?xml version='1.0' encoding='UTF-8'?>\n") -> bytes:
    inner = "\n    ".join(f"<entry>{entry}</entry>" for entry in entries)
    return f"{declaration}<result>\n    {inner}\n</result>\n".encode()


class TestXml:
    @pytest.mark.parametrize(
        ("third", "members"),
        [
            ("Clé API incorrecte", {"message": "Clé API incorrecte"}),
            ("\n  <![CDATA[a <b> & ]] c]]>\n ", {"message": "a <b> & ]] c"}),
            ("1 &lt; 2 &amp;amp; 3<![CDATA[ &lt;]]>", {"message": "1 < 2 &amp; 3 &lt;"}),
            ("", {"message": ""}),
            (
                "<entry><entry>children[a].data</entry><entry>vide</entry></entry>\n"
                "<entry><entry>x</entry><entry><![CDATA[trop long]]></entry></entry>",
                {"errors": ["vide", "trop long"]},
            ),
        ],
    )
    @pytest.mark.parametrize("declaration", ["", '<?xml version="1.0"?>', "\ufeff <?xml?>\n"])
    def test_error(self, third, members, declaration):
        """An error that goes by position is read as JSON would have named its members."""
        body = in_xml("false", "10", third, declaration=declaration)

        assert {"success": False, "code": "10", **members} == read_xml(body, call=CALL)

    def test_as_json(self):
        """An error in XML is the same error as in JSON, word for word."""
        read = read_xml(in_xml("false", "10", "Clé API incorrecte"), call=CALL)
        named = {"success": False, "code": 10, "message": "Clé API incorrecte"}

        for status in (200, 403, 500):
            errors = [refusal(each, call=CALL, status=status) for each in (read, named)]
            assert [RequestRefused] * 2 == [type(error) for error in errors]
            assert str(errors[0]) == str(errors[1])

    @pytest.mark.parametrize(
        "rest", [["200", "0"], ["200", "1", "<entry><entry>19</entry></entry>"]]
    )
    def test_list(self, rest):
        """A good answer in XML is refused: nothing in it says which column is which."""
        with pytest.raises(BadData, match="XML, which names no fields"):
            read_xml(in_xml("true", *rest), call=CALL)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html><body>Login</body></html>",
            b"<result/>",
            in_xml("false"),
            in_xml("false", "10"),
            in_xml("false", "10", "a", "b"),
            in_xml("maybe", "10", "a"),
            in_xml("false", "10", "<b>a</b>"),
            in_xml("false", "10", "<![CDATA[a"),
            in_xml("false", "10", "a") + b"{}",
            in_xml("false", "10", "a")[:-5],
            in_xml("false", "10", "&a;", declaration="<!DOCTYPE result [<!ENTITY a 'b'>]>"),
            in_xml("true", "200", declaration='<!DOCTYPE result SYSTEM "file:///etc/passwd">'),
            in_xml("false", "10", "a", declaration="<?xml?><!-- -->"),
            in_xml("false", "10", "a").decode().encode("utf-16"),
        ],
    )
    def test_other(self, body):
        """Whatever else looks like XML, a document type above all, is not read."""
        assert read_xml(body, call=CALL) is None

    def test_entities(self):
        """An entity that is not one of XML's own three stays as it stands."""
        body = in_xml("false", "9", "&lol9; &#x41; &quot;")

        assert "&lol9; &#x41; &quot;" == read_xml(body, call=CALL)["message"]

    @pytest.mark.parametrize(
        "part",
        [" ", "x", "]", "<![CDATA[", "<![CDATA[]]>", "<entry>", "</entry>", "<entry></entry>"],
    )
    @pytest.mark.parametrize(
        "around", ["%s", "<?xml %s", "<result>%s", in_xml("false", "9", "%s").decode()]
    )
    def test_long(self, part, around):
        """A long answer is read, or not, in a time that grows with its length, and no faster."""
        began = time.process_time()

        for end in (None, -3):
            read_xml((around % (part * (2**20 // len(part)))).encode()[:end], call=CALL)

        assert time.process_time() - began < 30
