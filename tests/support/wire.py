"""A server on loopback that sends bytes as they are, whatever HTTP thinks of them."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any


class Wire:
    """Sends the same answer to every request, and keeps the requests.

    :param answer: makes the pieces of an answer, head and body
    :param tls: speaks TLS with this certificate
    """

    def __init__(
        self, answer: Callable[[], Iterable[bytes]], tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer
        self.tls = tls
        self.asked: list[bytes] = []
        self.left = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wire = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The base URL, as a connection's host has it."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    wire: Wire


class _Handler(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        wire = self.server.wire
        with suppress(OSError):  # the caller hung up, or did not like the certificate
            talk: Any = self.request
            if wire.tls:
                talk = wire.tls.wrap_socket(talk, server_side=True)
            wire.asked.append(_request(talk))
            for piece in wire.answer():
                talk.sendall(piece)
            talk.close()
        wire.left.set()


def _request(talk: Any) -> bytes:
    """Read a request to its end: what is unread when a socket closes resets the connection, and
    the answer is lost."""
    request = b""
    while b"\r\n\r\n" not in request and (received := talk.recv(65_536)):
        request += received
    head = request.partition(b"\r\n\r\n")[0]
    declared = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    whole = len(head) + 4 + int(declared[1]) if declared else 0
    while len(request) < whole and (received := talk.recv(65_536)):
        request += received
    return request


def http(body: bytes = b"", status: str = "200 OK", **headers: str) -> Callable[[], list[bytes]]:
    """Write an answer that ends with its connection."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return lambda: [head.encode("latin-1") + body]
