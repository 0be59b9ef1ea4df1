"""A server on loopback that behaves like the Mail Partner API, and misbehaves when told to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: A key full of characters that URLs encode.
DEFAULT_KEY = "stand/in+key=ü%&?#"
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Answer:
    """One answer, as it goes over the wire.

    :param body: a JSON value; bytes as they are; or pieces, which are sent one by one in chunks
    :param headers: further headers; they replace those that the server would send
    :param reset: break the connection off after the body, as a crash does
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False


class StandIn:
    """An account of one key and one list, which may be changed while the server runs.

    ::

        with StandIn([{"id": 19, "email": "a@example.com", "createdAt": None}]) as api:
            requests.get(f"{api.url}/unsubscribe/list", {"apiKey": api.key})

    :param unsubscribes: the raw records of the list
    """

    def __init__(self, unsubscribes: Iterable[Any] = (), *, key: str = DEFAULT_KEY) -> None:
        self.unsubscribes = list(unsubscribes)
        self.key = key
        self.asked: list[str] = []
        self._pause = 0.0
        self._scripted: deque[Answer] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, as a connection's host has it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next calls, one each; then behave again."""
        self._scripted.extend(answers)

    def pause(self, seconds: float) -> None:
        """Be silent for so long before every answer."""
        self._pause = seconds

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, key: str | None) -> Answer:
        """Decide what to answer."""
        self.asked.append(path)
        time.sleep(self._pause)
        with suppress(IndexError):
            return self._scripted.popleft()
        if not key:
            return _no(403, 1, "Clé API requise")
        if key != self.key:
            return _no(403, 10, "Clé API incorrecte")
        if path == "/v1/me":
            left = {"creditMail": 269082, "currency": "EUR", "balance": "10225.119"}
            return Answer({"success": True, "code": 200, "credits": left})
        if path == "/v1/unsubscribe/list":
            return Answer(list_body(self.unsubscribes))
        return _no(404, 404, "Not found")


def list_body(unsubscribes: Iterable[Any]) -> dict[str, Any]:
    """Put raw records into the envelope in which the API sends them."""
    data = list(unsubscribes)
    return {"success": True, "code": 200, "nbData": len(data), "data": data}


def _no(status: int, code: int, message: str) -> Answer:
    return Answer({"success": False, "code": code, "message": message}, status)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stand_in: StandIn


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        key = parse_qs(parts.query).get("apiKey", [None])[0]
        with suppress(BrokenPipeError, ConnectionResetError):  # the caller hung up
            self._send(self.server.stand_in.answer(parts.path, key))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the request line has the key in it."""

    def _send(self, answer: Answer) -> None:
        body = answer.body
        pieces = None if isinstance(body, (bytes, dict, list, str)) else body
        if pieces is None and not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        if pieces is None:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Transfer-Encoding"] = "chunked"
        headers.update(answer.headers)
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if pieces is None:
            self.wfile.write(body)
            self.close_connection |= headers["Content-Length"] != str(len(body))
        else:
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if not answer.reset:
                self.wfile.write(b"0\r\n\r\n")
        if answer.reset:
            self._reset()

    def _reset(self) -> None:
        """Break the connection off without a goodbye."""
        self.wfile.flush()
        linger_for_no_time = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        self.close_connection = True
