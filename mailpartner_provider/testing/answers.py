"""What the Mail Partner API answers, in the forms that its documentation shows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

Framing = Literal["length", "chunked", "close"]
Ending = Literal["whole", "cut", "reset"]

_RECORDS_A_PIECE = 1000


@dataclass(frozen=True)
class Answer:
    """One answer, as it goes over the wire.

    :param body: a JSON value; bytes as they are; or an iterator of bytes, which are sent piece by
        piece
    :param headers: further headers; they replace those that the server would send
    :param framing: what tells the caller where the body ends: its declared length, its last chunk,
        or the close of the connection; None: the last chunk for pieces, else the length
    :param ending: how the connection ends: ``whole``, ``cut`` (closed early, without a last
        chunk), or ``reset`` (broken off, as a crash does)
    :param delay: seconds of silence before it
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Framing | None = None
    ending: Ending = "whole"
    delay: float = 0.0

    @property
    def in_pieces(self) -> bool:
        """Whether the body is sent piece by piece."""
        return isinstance(self.body, Iterator)

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes of the body, in the pieces in which they are sent."""
        pieces: Iterator[bytes] = self.body if self.in_pieces else iter([self.whole()])
        return pieces

    def whole(self) -> bytes:
        """Give the bytes of the body at once."""
        if self.in_pieces:
            return b"".join(self.body)
        return self.body if isinstance(self.body, bytes) else _json(self.body)


def unsubscribe_list(unsubscribes: Collection[Any]) -> Answer:
    """Answer with a list, written piece by piece, so that none is too long."""
    return Answer(_list_pieces(unsubscribes))


def account() -> Answer:
    """Answer with what the account has left."""
    left = {"creditMail": 269082, "currency": "EUR", "balance": "10225.119"}
    user = {"username": "stand-in"}
    return Answer({"success": True, "code": 200, "user": user, "credits": left})


def done(**members: Any) -> Answer:
    """Answer that something was done."""
    return Answer({"success": True, "code": 200, **members})


def refusal(code: int, message: str, status: int = 400) -> Answer:
    """Answer with a no, and why."""
    return Answer({"success": False, "code": code, "message": message}, status)


def _list_pieces(unsubscribes: Collection[Any]) -> Iterator[bytes]:
    yield b'{"success":true,"code":200,"nbData":%d,"data":[' % len(unsubscribes)
    records, comma = iter(unsubscribes), b""
    while some := list(islice(records, _RECORDS_A_PIECE)):
        yield comma + b",".join(map(_json, some))
        comma = b","
    yield b"]}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
