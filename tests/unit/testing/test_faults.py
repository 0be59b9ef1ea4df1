"""Each fault does to an answer what its name says, as a caller sees it on the wire."""

from __future__ import annotations

import gzip
import json
import time
from datetime import datetime, timezone
from itertools import islice

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError

from mailpartner_provider.testing import faults
from mailpartner_provider.testing.faults import FAULTS, SHAPES
from tests.support.api import THREE, listing
from tests.support.waiting import PATIENCE_SECONDS

WHOLE = json.dumps(listing(THREE), separators=(",", ":"), ensure_ascii=False).encode()


def ask(api, *script, **options):
    api.script(*script)
    options = {"timeout": PATIENCE_SECONDS, "allow_redirects": False, **options}
    return requests.get(f"{api.url}/unsubscribe/list", {"apiKey": api.key}, **options)


def received(api, *script):
    """Return the bytes that arrive before the connection ends, and the error with which it ends."""
    body = b""
    with ask(api, *script, stream=True) as answer:
        try:
            for piece in iter(lambda: answer.raw.read(1, decode_content=False), b""):
                body += piece
        except Exception as error:
            return body, type(error).__name__
    return body, None


class TestOnTheWay:
    def test_in_pieces(self, api):
        """The body comes in pieces of so many bytes, and is whole."""
        with ask(api, faults.in_pieces(1), stream=True) as answer:
            chunks = list(answer.raw.read_chunked())

        assert len(WHOLE) == len(chunks)
        assert WHOLE == b"".join(chunks)

    def test_slow(self, api):
        """The body takes its time, and is whole."""
        began = time.monotonic()

        assert WHOLE == ask(api, faults.slow(0.01, len(WHOLE) // 20)).content
        assert time.monotonic() - began > 0.2

    def test_late(self, api):
        """Nothing comes before a delay."""
        with pytest.raises(requests.ReadTimeout):
            ask(api, faults.late(PATIENCE_SECONDS), timeout=0.2)

    def test_stalled(self, api):
        """A share of the body comes, then nothing."""
        answer = ask(api, faults.stalled(after=0.5), stream=True, timeout=0.2)

        with pytest.raises(ConnectionError, match="Read timed out"), answer:
            _ = answer.content

    @pytest.mark.parametrize(
        ("framing", "error"),
        [("length", "IncompleteRead"), ("chunked", "IncompleteRead"), ("close", None)],
    )
    def test_truncated(self, api, framing, error):
        """A share of the body comes; only its framing can tell that more was to come."""
        body, ended = received(api, faults.truncated(after=0.5, framing=framing))

        assert WHOLE[: len(WHOLE) // 2] == body
        assert ended in (error, error and "ProtocolError")

    def test_reset(self, api):
        """A share of the body comes, then the connection breaks."""
        with pytest.raises((ChunkedEncodingError, ConnectionError), match="Connection reset"):
            ask(api, faults.reset())

    def test_gzipped(self, api):
        """The body is compressed; without its trailer it is shorter by that."""
        whole, _ = received(api, faults.gzipped())
        damaged, _ = received(api, faults.gzipped(trailer=False))

        assert WHOLE == gzip.decompress(whole)
        assert len(whole) - 8 == len(damaged)

    def test_redirecting(self, api):
        """The answer points elsewhere."""
        answer = ask(api, faults.redirecting("/v1/me"))

        assert (302, "/v1/me") == (answer.status_code, answer.headers["Location"])


class TestAtTheApi:
    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_failing(self, api, status):
        """A status and a page for people come back."""
        answer = ask(api, faults.failing(status))

        assert status == answer.status_code
        assert "Retry-After" not in answer.headers

    @pytest.mark.parametrize(
        ("when", "written"),
        [(7, "7"), (datetime(2026, 1, 2, tzinfo=timezone.utc), "Fri, 02 Jan 2026 00:00:00 GMT")],
    )
    def test_retry_after(self, api, when, written):
        """When to try again is given in seconds or as a date."""
        assert written == ask(api, faults.failing(429, when)).headers["Retry-After"]

    def test_html_and_empty(self, api):
        """A page for people comes with 200, or nothing at all."""
        assert "<title>" in ask(api, faults.html()).text
        assert (204, "") == (ask(api, faults.empty(204)).status_code, ask(api, faults.empty()).text)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_refusing(self, api, shape):
        """A no comes in any of the shapes that have been seen, with any status."""
        answer = ask(api, faults.refusing(40, "non", status=200, shape=shape))

        assert (200, False) == (answer.status_code, answer.json()["success"])
        assert "non" in answer.text

    def test_miscounted(self, api):
        """More or fewer are declared than are there."""
        assert [4, 2] == [ask(api, faults.miscounted(by)).json()["nbData"] for by in (1, -1)]

    @pytest.mark.parametrize("fault", [faults.bomb(), faults.endless()])
    def test_without_end(self, api, fault):
        """A body without end goes on for as long as somebody reads."""
        with ask(api, fault, stream=True) as answer:
            chunks = list(islice(answer.iter_content(2**20), 20))

        assert 20 == len(chunks)

    def test_combined(self, api):
        """Faults can be combined, the first one first."""
        both = faults.combined(faults.refusing(20, "non"), faults.xml())

        assert "<entry>false</entry><entry>20</entry><entry>non</entry>" in ask(api, both).text


def test_once_each(api):
    """Each step of a script is for one call; then the stand-in behaves again."""
    statuses = [ask(api, faults.failing(503), faults.failing(429)).status_code]
    statuses += [ask(api).status_code for _ in range(2)]

    assert [503, 429, 200] == statuses


def test_all_named():
    """Every fault of the module is to be had by its name."""
    public = {name for name, value in vars(faults).items() if name.islower() and callable(value)}
    own = {name for name in public if getattr(faults, name).__module__ == faults.__name__}

    assert set(FAULTS) == {name for name in own if not name.startswith("_")} - {"combined"}
