"""The members around the records: success, refusal, failure; and what may be shown of them."""

from __future__ import annotations

import pytest

from mailpartner_provider.api.envelope import (
    PERMANENT_CODES,
    declared_records,
    paging,
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
