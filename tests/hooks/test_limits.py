"""Answers without end: too long, too deep, or too slow."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from dataclasses import replace
from itertools import chain, count, repeat

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import LandingStopped, RequestFailed
from mailpartner_provider.hooks import download
from mailpartner_provider.hooks.download import Download
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, connect, listing
from tests.support.landing import land, operator
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.wire import Wire

GZIP = {"Content-Encoding": "gzip"}


def endless_object():
    """Number records without end."""
    some = (b'"%d":{"id":1,"email":"a"},' % number for number in count())
    return chain([b'{"success":true,"data":{'], map(b"".join, zip(*[some] * 5000, strict=True)))


def endless_members():
    """Name members of the envelope without end."""
    return chain([b"{"], (b'"%d":"%b",' % (number, SPACE) for number in count()))


SPACE = b" " * 2**16

ENDLESS = {
    "a bomb": faults.bomb(),
    "records": faults.endless(),
    "white space": Answer(repeat(SPACE)),
    "white space after a record": Answer(chain([b'{"data":[{"id":1,"email":"a"}'], repeat(SPACE))),
    "numbered records": Answer(endless_object()),
    "empty gzip members": Answer(repeat(gzip.compress(b"") * 5000), headers=GZIP),
    "an error": Answer(repeat(SPACE), 500),
    "XML": Answer(chain([b"<result>"], repeat(SPACE))),
    "a value": Answer(chain([b'{"x":"'], repeat(SPACE))),
    "members": Answer(endless_members()),
}


class TestLimits:
    @pytest.mark.parametrize(
        ("what", "limit"),
        [
            ("a bomb", 64 * 2**20),
            ("records", 64 * 2**20),
            ("white space", 64 * 2**20),
            ("white space after a record", 64 * 2**20),
            ("numbered records", 2**20),
            ("empty gzip members", 2**20),
        ],
    )
    def test_longest_answer(self, api, lake, monkeypatch, what, limit):
        """An answer without end is refused at the stated limit, in memory that does not grow; it
        is not asked for again, and nothing was published."""
        monkeypatch.setattr(download, "MAX_ANSWER_BYTES", limit)
        api.script(ENDLESS[what])
        tracemalloc.start()

        with pytest.raises(AirflowFailException, match=f"longer than {limit:,} bytes"):
            land(lake)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 32 * 2**20
        assert 1 == len(api.asked)
        assert not lake.exists()

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("a value", "has a value of over 64 MiB"),
            ("members", "its envelope has too many members"),
            ("XML", "not a JSON object"),
            ("an error", "HTTP 500"),
        ],
    )
    def test_longest_part(self, api, what, words):
        """What must be short ends far earlier, and so does the connection."""
        left = threading.Event()
        answer = ENDLESS[what]
        api.script(replace(answer, body=_watched(answer.body, left)))

        with pytest.raises(RequestFailed, match=words):
            list(MailPartnerHook().fetch_unsubscribes())

        assert left.wait(PATIENCE_SECONDS)

    def test_interrupted(self, api):
        """A signal that interrupts the wait for an answer ends its connection, too."""
        left = threading.Event()
        answer = ENDLESS["white space"]
        api.script(replace(answer, body=_watched(answer.body, left)))
        session = MailPartnerHook().get_conn()

        def interrupted():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Download(lambda: session.get("unsubscribe/list", stream=True), interrupted)

        assert left.wait(PATIENCE_SECONDS)

    def test_many_members(self, api):
        """An envelope of a thousand members is read."""
        some = {f"m{number}": None for number in range(996)}
        api.script(Answer({**some, **listing(THREE)}), Answer({**some, **listing(THREE, more=1)}))

        assert 3 == len(MailPartnerHook().get_df())
        with pytest.raises(RequestFailed, match="too many members"):
            list(MailPartnerHook().fetch_unsubscribes())


class TestTime:
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"HTTP/1.1 200 OK\r\nX: ",
            b"",
        ],
        ids=["body", "trailer", "header", "status"],
    )
    def test_dripping(self, api, lake, monkeypatch, head):
        """An answer that drips never is silent for as long as read_timeout; on_kill, which is what
        execution_timeout calls, ends it."""
        drop = {b"": b"HTTP/1.1 100 Continue\r\n\r\n"}.get(head, b"X: 1\r\n")
        over = threading.Event()

        def drips():
            yield head
            for drops in range(20 * PATIENCE_SECONDS):
                if drops == 30:
                    task.on_kill()
                if over.wait(0.05):
                    return
                yield drop

        with Wire(drips) as slow:
            connect(monkeypatch, api, host=slow.url, extra={"read_timeout": 1})
            task = operator(lake)

            with pytest.raises(LandingStopped):
                task.execute({})

            over.set()


def _watched(pieces, left):
    """Set an event when the server stops sending an answer."""
    try:
        yield from pieces
    finally:
        left.set()
