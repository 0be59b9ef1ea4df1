"""No address and no key in logs, errors and receipts: rule 9."""

from __future__ import annotations

import json

import pytest

from mailpartner_provider.errors import BadData
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import DEFAULT_KEY
from tests.support.api import THREE, at_once, cut_off
from tests.support.landing import land


class TestRule9NothingPersonal:
    def test_receipt_is_flat(self, api, lake):
        """A receipt is a flat dict of strings, numbers, booleans and nulls."""
        assert {str, int, float, bool, type(None)} >= {type(value) for value in land(lake).values()}

    def test_no_address(self, api, lake, log):
        """No personal data in logs, exceptions and receipts: counts, days, paths."""
        api.unsubscribes = [*THREE, {"id": 1, "mail of zoe@example.com": "zoe@example.com"}]

        with pytest.raises(BadData) as caught:
            land(lake)
        receipt = land(lake, max_rejected=1)

        for text in (log(), str(caught.value), json.dumps(receipt)):
            assert "@example.com" not in text.lower()

    @pytest.mark.parametrize(
        "answer",
        [
            at_once({"success": False, "code": 10, "message": f"{DEFAULT_KEY} zoe@example.com"}),
            at_once({"success": False, "code": 7, "errors": [{"message": f"no {DEFAULT_KEY}"}]}),
            at_once(b"<h1>zoe@example.com</h1>", 503),
            at_once(b"zoe@example.com"),
            cut_off(b'{"data":[{"email":"zoe@example.com'),
            Answer(b"", 302, {"Location": "https://elsewhere.example/zoe@example.com"}),
            Answer(b"zoe@example.com", 200, {"Content-Encoding": "gzip", "Retry-After": "0"}),
        ],
    )
    def test_no_key_in_errors(self, api, lake, log, answer):
        """No exception of ours carries a URL's query, headers or a body; that holds for chained
        exceptions and tracebacks too."""
        api.script(*[answer] * 4)

        with pytest.raises(Exception) as caught:
            land(lake)

        error, texts = caught.value, [log()]
        while error:
            texts.append(repr(error) + repr(vars(error)))
            error = error.__cause__ or error.__context__
        for text in texts:
            assert "apiKey=stand" not in text
            assert DEFAULT_KEY not in text
            assert "zoe@example.com" not in text
