"""The answers of the Mail Partner API, in the forms that its documentation shows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

Framing = Literal["length", "chunked", "close"]
Ending = Literal["whole", "cut", "reset"]

_RECORDS_PER_PIECE = 1000


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    :param body: a JSON value; bytes, sent unchanged; or an iterator of bytes, sent piece by piece
    :param status: the HTTP status
    :param headers: additional headers, which override those of the server
    :param framing: how the end of the body is marked: ``length`` (declared), ``chunked`` (a last
        chunk), or ``close`` (of the connection); None: ``chunked`` for an iterator, else ``length``
    :param ending: how the connection ends: ``whole`` (after the body), ``cut`` (closed early,
        without a last chunk), or ``reset`` (as after a crash)
    :param delay: seconds before the first byte
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
        """Return the pieces of the body, as they are sent."""
        pieces: Iterator[bytes] = self.body if self.in_pieces else iter([self.whole()])
        return pieces

    def whole(self) -> bytes:
        """Return the whole body."""
        if self.in_pieces:
            return b"".join(self.body)
        return self.body if isinstance(self.body, bytes) else _json(self.body)


def unsubscribe_list(unsubscribes: Collection[Any]) -> Answer:
    """Return the answer of ``unsubscribe/list``; it is generated piece by piece to save memory."""
    return Answer(_list_pieces(unsubscribes))


def account() -> Answer:
    """Return the answer of ``me``: the account's remaining credits."""
    left = {"creditMail": 269082, "currency": "EUR", "balance": "10225.119"}
    user = {"username": "stand-in"}
    return Answer({"success": True, "code": 200, "user": user, "credits": left})


def done(**members: Any) -> Answer:
    """Return the answer to a successful call, with these members."""
    return Answer({"success": True, "code": 200, **members})


def refusal(code: int, message: str, status: int = 400) -> Answer:
    """Return the answer to a refused call, with the reason."""
    return Answer({"success": False, "code": code, "message": message}, status)


def _list_pieces(unsubscribes: Collection[Any]) -> Iterator[bytes]:
    yield b'{"success":true,"code":200,"nbData":%d,"data":[' % len(unsubscribes)
    records, comma = iter(unsubscribes), b""
    while part := list(islice(records, _RECORDS_PER_PIECE)):
        yield comma + b",".join(map(_json, part))
        comma = b","
    yield b"]}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
