"""What stands around the records: yes, no, or not to be understood; and what may be shown of it."""

from __future__ import annotations

import time

import pytest

from mailpartner_provider.api.envelope import (
    PERMANENT_CODES,
    declared_records,
    paging,
    read_xml,
    refusal,
)
from mailpartner_provider.errors import BadData, RequestFailed, RequestRefused

CALL = "unsubscribe/list"
LONG = 300_000


def said(message) -> str:
    """Return what is shown of the API's own words."""
    error = refusal({"success": False, "message": message}, call=CALL)
    return str(error).partition("; the API says: ")[2]


class TestRefusal:
    @pytest.mark.parametrize(
        "envelope", [{"success": True}, {"success": True, "code": 200, "message": "x", "error": []}]
    )
    def test_yes(self, envelope):
        """An answer is a yes when success is true, and code is absent or 200."""
        assert refusal(envelope, call=CALL) is None

    @pytest.mark.parametrize("envelope", [{}, {"code": 200}, {"message": "m"}])
    def test_silent(self, envelope):
        """An answer that does not say whether it succeeded is a failure."""
        error = refusal(envelope, call=CALL)

        assert isinstance(error, RequestFailed)
        assert str(error).startswith("the answer does not say whether it succeeded")

    @pytest.mark.parametrize(
        ("envelope", "code"),
        [
            ({"success": None}, None),
            ({"success": False}, None),
            ({"success": "true"}, None),
            ({"success": 1}, None),
            ({"success": [True]}, None),
            ({"success": True, "code": None}, None),
            ({"success": True, "code": 201}, 201),
            ({"success": True, "code": 200.0}, None),
            ({"success": True, "code": "200"}, None),
            ({"success": True, "code": "0200"}, None),
            ({"success": True, "code": True}, None),
            ({"success": True, "code": [200]}, None),
            ({"success": False, "code": 200}, 200),
            ({"success": False, "code": 7}, 7),
            ({"success": False, "code": 429}, 429),
            ({"success": False, "code": 500}, 500),
            ({"success": False, "code": "500"}, 500),
            ({"success": False, "code": "NOT_CREDIT"}, None),
            ({"success": False, "code": True}, None),
            ({"success": False, "code": 10.0}, None),
        ],
    )
    def test_failed(self, envelope, code):
        """Any other answer that reports no success, with no code of rule 10, is a failure."""
        error = refusal(envelope, call=CALL)

        answered = "" if code is None else f"code {code}, "
        text = f"the API reported a failure ({answered}HTTP 200, GET /{CALL})"
        assert (RequestFailed, code, 200, text) == (
            type(error),
            error.code,
            error.status,
            str(error),
        )

    @pytest.mark.parametrize("code", [1, 10, 20, 30, 40, 96])
    @pytest.mark.parametrize("status", [200, 400, 401, 403, 408, 429, 500, 503])
    @pytest.mark.parametrize("write", [int, str])
    def test_permanent_code(self, code, status, write):
        """A code that asking again cannot mend is refused with what mends it, at any status."""
        error = refusal({"success": False, "code": write(code)}, call=CALL, status=status)

        assert isinstance(error, RequestRefused)
        assert f"{PERMANENT_CODES[code]} (code {code}," in str(error)

    @pytest.mark.parametrize("success", [True, None, "no"])
    def test_code_outweighs_success(self, success):
        """A code that says no is a no, even beside success."""
        assert isinstance(refusal({"success": success, "code": 10}, call=CALL), RequestRefused)

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, None, RequestRefused),
            (401, None, RequestRefused),
            (404, 200, RequestRefused),
            (404, 7, RequestRefused),
            (422, 9, RequestRefused),
            (499, None, RequestRefused),
            (400, 429, RequestFailed),
            (403, 500, RequestFailed),
            (408, None, RequestFailed),
            (429, 7, RequestFailed),
            (201, 200, RequestFailed),
            (204, None, RequestFailed),
            (206, 200, RequestFailed),
            (304, None, RequestFailed),
            (500, None, RequestFailed),
            (502, 200, RequestFailed),
            (599, None, RequestFailed),
        ],
    )
    @pytest.mark.parametrize("success", [True, False])
    def test_status(self, status, code, kind, success):
        """HTTP 4xx other than 408 and 429 is refused, the rest failed; only 200 can be a yes."""
        envelope = {"success": success} if code is None else {"success": success, "code": code}
        error = refusal(envelope, call=CALL, status=status)

        assert kind is type(error)
        assert f"HTTP {status}, GET" in str(error)


class TestMessage:
    @pytest.mark.parametrize(
        ("members", "words"),
        [
            ({"message": "Clé API incorrecte"}, "Clé API incorrecte"),
            ({"errors": [{"elementId": "children[message].data", "message": "m"}]}, "m"),
            ({"errors": [{"message": "a"}, {"message": "b"}]}, "a / b"),
            ({"error": [{"elementId": "x", "message": "m"}]}, "m"),
            ({"error": "because"}, "because"),
            ({"error": {"message": "because"}}, "because"),
            ({"error": ["a", "b"]}, "a / b"),
            ({"error": {"message": ["a", {"message": "b"}]}}, "a / b"),
            ({"error_code": 7, "error_message": "m"}, "m"),
            (
                {"message": "a", "errors": ["b"], "error": "c", "error_message": "d"},
                "a / b / c / d",
            ),
            ({"message": " a\n\tb\r\n  c\x1c "}, "a b c"),
            ({"message": ""}, None),
            ({"message": " \u00a0\n"}, None),
            ({"message": None, "errors": [], "error": {}, "error_message": 5}, None),
            ({"data": [{"success": False, "code": 4, "message": "m"}]}, None),
        ],
    )
    def test_every_shape(self, members, words):
        """The API's own words are found in every shape in which errors have been seen."""
        text = str(refusal({"success": False, "code": 7, **members}, call=CALL))

        assert text == f"the API reported a failure (code 7, HTTP 200, GET /{CALL})" + (
            "" if words is None else f"; the API says: {words}"
        )

    @pytest.mark.parametrize("depth", [5, 500, 100_000])
    def test_deep(self, depth):
        """Words that are buried deep stay there, and break nothing."""
        buried: object = "m"
        for _ in range(depth):
            buried = [buried]

        assert said(buried) == ""

    @pytest.mark.parametrize("size", [199, 200, 201, LONG])
    def test_cut(self, size):
        """The message is cut to 200 characters."""
        assert "é" * min(size, 200) == said("é" * size)

    def test_masked_before_cut(self):
        """An address that the cut would make unrecognizable is masked before the cut."""
        assert "x" * 195 + " ***" == said("x" * 195 + " zoe@example.com")
        assert "x" * 197 + " **" == said("x" * 197 + " zoe@example.com")

    def test_key(self):
        """The key is masked first, for the masking of addresses could leave a part of it."""
        error = refusal(
            {"success": False, "message": "the key  s3 cr@t is wrong"},
            call=CALL,
            mask=lambda text: text.replace("s3 cr@t", "***"),
        )

        assert str(error).endswith("the API says: the key *** is wrong")


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


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"total": 900}, "total"),
        ({"page": 1, "nb_per_page": 20}, "page, nb_per_page"),
        ({"total": None}, "total"),
        ({"nb_per_page": 0, "total": 0, "page": 0}, "total, page, nb_per_page"),
    ],
)
def test_paging(members, names):
    """An answer that carries a total or a page, of whatever value, is one of several pages."""
    error = paging({"success": True, **members}, call=CALL)

    assert isinstance(error, BadData)
    assert f"the answer of {CALL} has {names};" in str(error)


def test_no_paging():
    """An answer that carries none of them is the whole list."""
    assert paging({"success": True, "nbData": 1, "Total": 1, "pages": 1}, call=CALL) is None


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (3, 3), (2**70, 2**70), ("0", 0), ("003", 3), (None, None)]
)
def test_declared(count, expected):
    """The count that is declared is a number, or digits; null declares nothing."""
    assert expected == declared_records({"nbData": count}, call=CALL)


def test_undeclared():
    """An answer without nbData declares nothing."""
    assert declared_records({"data": []}, call=CALL) is None


@pytest.mark.parametrize(
    "count",
    [-1, 3.0, True, False, "", "-1", "+1", " 1", "1\n", "3.0", "three", "١", "9" * 19, [], [1], {}],
)
def test_no_count(count):
    """An nbData that is no count is a broken answer."""
    with pytest.raises(RequestFailed, match="nbData is not a count"):
        declared_records({"nbData": count}, call=CALL)
