"""What a landing makes of each fault: land all the same, try again, or stop at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.faults import SHAPES
from tests.support.api import connect
from tests.support.landing import land

LONG_AGO = datetime(2015, 10, 21, tzinfo=timezone.utc)

HARMLESS = {
    "late": faults.late(0.2),
    "slow": faults.slow(0.01, 40),
    "one byte a chunk": faults.in_pieces(1),
    "compressed": faults.gzipped(),
    "compressed, one byte a chunk": faults.combined(faults.gzipped(), faults.in_pieces(1)),
    "slowly compressed": faults.combined(faults.gzipped(), faults.slow(0.01, 40)),
    "declares fewer": faults.miscounted(-1),
    "closed instead of counted": lambda answer: replace(answer, framing="close"),
}

PASSING = {
    **{f"HTTP {status}": faults.failing(status) for status in (408, 429, 500, 502, 503, 504)},
    "later, in seconds": faults.failing(429, retry_after=0),
    "later, as a date": faults.failing(503, retry_after=LONG_AGO),
    "HTML with 200": faults.html(),
    "HTML with 502": faults.html(502),
    "nothing": faults.empty(),
    "no content": faults.empty(204),
    "declares more": faults.miscounted(1),
    "stalls": faults.stalled(after=0.5),
    "breaks off at once": faults.reset(after=0),
    "breaks off midway": faults.reset(after=0.5),
    "breaks off at the end": faults.reset(after=1),
    **{
        f"cut by {framing} after {share:.0%}": faults.truncated(share, framing)
        for framing in ("length", "chunked", "close")
        for share in (0, 0.02, 0.5, 0.99)
    },
    "cut while compressed": faults.combined(faults.gzipped(), faults.truncated(0.9, "close")),
    "compressed, no trailer": faults.gzipped(trailer=False),
    **{f"no, as {shape}": faults.refusing(7, status=200, shape=shape) for shape in SHAPES},
    **{f"busy, as {shape}": faults.refusing(429, status=400, shape=shape)
       for shape in SHAPES if shape != "no code"},
}  # fmt: skip

FINAL = {
    **{f"key, as {shape}": faults.refusing(10, status=200, shape=shape)
       for shape in SHAPES if shape != "no code"},
    "no code, but 403": faults.refusing(status=403, shape="no code"),
    "HTML with 403": faults.html(403),
    "moved": faults.redirecting(),
    "moved to http": faults.redirecting("http://elsewhere.example/v1/unsubscribe/list", 308),
}  # fmt: skip


def at_once(fault):
    """Return the fault, after which the next try comes without a wait."""

    def made(answer):
        answer = fault(answer)
        return replace(answer, headers={"Retry-After": "0", **answer.headers})

    return made


@pytest.fixture(autouse=True)
def impatient(api, monkeypatch):
    """A connection that gives up a server that is silent for two seconds."""
    connect(monkeypatch, api, extra={"read_timeout": 2})


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(api, lake, name):
    """What is merely odd lands as it is, at the first try."""
    api.script(HARMLESS[name])

    assert 3 == land(lake)["rows"]
    assert 1 == len(api.asked)


@pytest.mark.parametrize("name", PASSING)
def test_passing(api, lake, name):
    """What may pass is tried again; the whole list lands, and nothing of the broken answer."""
    api.script(at_once(PASSING[name]))

    assert 3 == land(lake)["rows"]
    assert [19, 20, 9007199254740993] == [row["id"] for row in lake.rows()]
    assert 2 == len(api.asked)


@pytest.mark.parametrize("name", FINAL)
def test_final(api, lake, name):
    """What asking again cannot mend stops the task at once."""
    api.script(FINAL[name])

    with pytest.raises(AirflowFailException):
        land(lake)

    assert 1 == len(api.asked)
    assert not lake.exists()


def test_long_outage(api, lake):
    """An outage of four tries fails the task, and leaves what was there."""
    land(lake, snapshot_date=f"{datetime.now(timezone.utc) - timedelta(days=3):%Y-%m-%d}")
    before = lake.files()
    api.script(
        *map(at_once, (faults.failing(503), faults.html(), faults.truncated(), faults.reset()))
    )

    with pytest.raises(RequestFailed):
        land(lake)

    assert before == lake.files()
