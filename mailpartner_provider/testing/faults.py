"""Faults to inject into answers: failures of the network and of the API.

A fault is a function that changes the answer of the stand-in::

    api.script(faults.failing(503), faults.truncated(after=0.9))
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from itertools import chain, count, repeat
from typing import Any
from xml.sax.saxutils import escape

from mailpartner_provider.testing.answers import Answer, Framing

Fault = Callable[[Answer], Answer]

_GZIP = 16 + zlib.MAX_WBITS
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_XML = {"Content-Type": "application/xml"}
_FOREVER = 10**6

#: The shapes of errors that were seen from the API and its siblings.
SHAPES: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "message": lambda code, text: {"code": code, "message": text},
    "errors": lambda code, text: {"code": code, "errors": [{"elementId": "x", "message": text}]},
    "error list": lambda code, text: {"code": code, "error": [{"message": text}]},
    "error text": lambda code, text: {"code": code, "error": text},
    "error_message": lambda code, text: {"code": code, "error_message": text},
    "code as text": lambda code, text: {"code": str(code), "message": text},
    "no code": lambda code, text: {"message": text},
}


# Of the network -----------------------------------------------------------------------------------


def late(seconds: float = 1.0) -> Fault:
    """Delay the answer."""
    return lambda answer: replace(answer, delay=seconds)


def slow(seconds: float = 0.01, size: int = 64) -> Fault:
    """Send the body in pieces of ``size`` bytes, with a pause before each."""
    return lambda answer: replace(answer, body=_delayed(_cut(answer.pieces(), size), seconds))


def in_pieces(size: int = 1) -> Fault:
    """Send the body in pieces of ``size`` bytes."""
    return lambda answer: replace(answer, body=_cut(answer.pieces(), size))


def stalled(after: float = 0.5, seconds: float = _FOREVER) -> Fault:
    """Pause after this share of the body, then send the rest."""

    def fault(answer: Answer) -> Answer:
        first, rest = _split(answer.whole(), after)
        return replace(answer, body=chain([first], _delayed([rest], seconds)))

    return fault


def truncated(after: float = 0.5, framing: Framing = "length") -> Fault:
    """End after this share of the body, although the framing announces more.

    With the framing ``close``, only the JSON itself shows that something is missing.
    """

    def fault(answer: Answer) -> Answer:
        whole = answer.whole()
        length = {"Content-Length": str(len(whole))} if framing == "length" else {}
        return replace(
            answer,
            body=_split(whole, after)[0],
            headers={**answer.headers, **length},
            framing=framing,
            ending="cut",
        )

    return fault


def reset(after: float = 0.5) -> Fault:
    """Reset the connection after this share of the body."""
    return lambda answer: replace(
        answer, body=iter([_split(answer.whole(), after)[0]]), ending="reset"
    )


def gzipped(*, trailer: bool = True) -> Fault:
    """Compress the body; without ``trailer`` it is damaged."""

    def fault(answer: Answer) -> Answer:
        pieces = _compressed(answer.pieces(), trailer)
        return replace(answer, body=pieces, headers={**answer.headers, "Content-Encoding": "gzip"})

    return fault


def redirecting(location: str = "https://elsewhere.example/v1", status: int = 302) -> Fault:
    """Redirect to another URL."""
    return lambda _: Answer(b"", status, {"Location": location})


# Of the API ---------------------------------------------------------------------------------------


def failing(status: int = 503, retry_after: float | datetime | None = None) -> Fault:
    """Answer with an HTTP error, such as 408, 429 or 500, and an HTML page.

    :param retry_after: the header ``Retry-After``: seconds from now, or an instant in UTC
    """
    headers = dict(_HTML)
    if isinstance(retry_after, datetime):
        headers["Retry-After"] = format_datetime(retry_after, usegmt=True)
    elif retry_after is not None:
        headers["Retry-After"] = f"{retry_after:.0f}"
    return lambda _: Answer(b"<h1>Something went wrong</h1>", status, headers)


def html(status: int = 200) -> Fault:
    """Answer with an HTML page, as a proxy that requires a login does."""
    return lambda _: Answer(b"<!DOCTYPE html><title>Log in</title>", status, _HTML)


def empty(status: int = 200) -> Fault:
    """Answer without a body; with status 204 this is valid HTTP."""
    return lambda _: Answer(b"", status)


def refusing(
    code: int = 10,
    message: str = "Clé API incorrecte",
    *,
    status: int = 403,
    shape: str = "message",
) -> Fault:
    """Report an error in one of the ``SHAPES``; the API may do so with HTTP 200, too."""
    return lambda _: Answer({"success": False, **SHAPES[shape](code, message)}, status)


def miscounted(by: int = 1) -> Fault:
    """Declare ``by`` records more than the list has, or fewer if negative."""

    def fault(answer: Answer) -> Answer:
        members = json.loads(answer.whole())
        return replace(answer, body={**members, "nbData": members["nbData"] + by})

    return fault


def xml() -> Fault:
    """Answer in XML, as the API does for ``_format=xml``: values by position, without names."""

    def fault(answer: Answer) -> Answer:
        text = (
            f"<?xml version='1.0' encoding='UTF-8'?>\n<result>{_entries(answer.whole())}</result>"
        )
        return replace(answer, body=text.encode(), headers={**answer.headers, **_XML})

    return fault


def bomb() -> Fault:
    """Begin a valid answer, then send endless whitespace, compressed to a thousandth."""
    return lambda answer: gzipped()(
        replace(answer, body=chain([b'{"success":true,'], repeat(b" " * 2**20)))
    )


def endless() -> Fault:
    """Send records without end."""

    def pieces() -> Iterator[bytes]:
        yield b'{"success":true,"code":200,"data":['
        record = b'{"id":%d,"email":"%d@example.com","createdAt":null},'
        for start in count(0, 1000):
            yield b"".join(record % (n, n) for n in range(start, start + 1000))

    return lambda answer: replace(answer, body=pieces())


def combined(*faults: Fault) -> Fault:
    """Apply several faults, one after the other."""

    def fault(answer: Answer) -> Answer:
        for each in faults:
            answer = each(answer)
        return answer

    return fault


#: All faults by name.
FAULTS: dict[str, Callable[[], Fault]] = {
    fault.__name__: fault
    for fault in (
        late, slow, in_pieces, stalled, truncated, reset, gzipped, redirecting,
        failing, html, empty, refusing, miscounted, xml, bomb, endless,
    )
}  # fmt: skip


def _split(body: bytes, share: float) -> tuple[bytes, bytes]:
    end = int(len(body) * share)
    return body[:end], body[end:]


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]


def _delayed(pieces: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    for piece in pieces:
        time.sleep(seconds)
        yield piece


def _compressed(pieces: Iterable[bytes], trailer: bool) -> Iterator[bytes]:
    deflate = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        yield deflate.compress(piece)
    end = deflate.flush()
    yield end if trailer else end[:-8]


def _entries(body: bytes) -> str:
    members = json.loads(body)
    data = members.get("data")
    if isinstance(data, list):
        members["data"] = [list(record.values()) for record in data]
    return "".join(map(_entry, members.values()))


def _entry(value: Any) -> str:
    if isinstance(value, list):
        return f"<entry>{''.join(map(_entry, value))}</entry>"
    if isinstance(value, str):
        return f"<entry>{escape(value)}</entry>"
    return f"<entry>{json.dumps(value)}</entry>"
