"""A server on loopback whose answers can be refused, lost or held back."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

from tests.support.waiting import PATIENCE_SECONDS

_OF_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "date", "server")


@dataclass
class Request:
    """One request, such as ``PUT /lake/dt=...``, and what can become of it."""

    asked: str
    environ: dict[str, Any]
    start_response: Callable[..., Any]
    app: Callable[..., Iterable[bytes]]

    def answer(self) -> Iterable[bytes]:
        """Do what was asked."""
        return self.app(self.environ, self.start_response)

    def refuse(self, status: str, code: str, message: str) -> Iterable[bytes]:
        """Refuse the request, and do nothing."""
        self.receive(1.0)
        self.start_response(status, [("Content-Type", "application/xml")])
        if self.environ["REQUEST_METHOD"] == "HEAD":
            return []
        return [f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()]

    def hang_up(self) -> Iterable[bytes]:
        """Close the connection in the middle of what is being sent."""
        self.receive(0.5)
        self.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionError

    def receive(self, share: float) -> None:
        """Read this share of the body and throw it away."""
        self.environ["wsgi.input"].read(int(share * int(self.environ.get("CONTENT_LENGTH") or 0)))


Fault = Callable[[Request], Iterable[bytes]]


def refusing(*asked: str) -> Fault:
    """Refuse these requests for good."""

    def fault(request: Request) -> Iterable[bytes]:
        if request.asked in asked:
            return request.refuse("403 Forbidden", "AccessDenied", "Access Denied")
        return request.answer()

    return fault


def first(times: int, fault: Fault, *asked: str) -> Fault:
    """Return a fault of the first requests, of these or of any, and of none afterwards."""
    numbers = count(1)

    def faulty(request: Request) -> Iterable[bytes]:
        if (not asked or request.asked in asked) and next(numbers) <= times:
            return fault(request)
        return request.answer()

    return faulty


def throttling(request: Request) -> Iterable[bytes]:
    """Refuse as S3 does when it is asked too much."""
    return request.refuse("503 Slow Down", "SlowDown", "Please reduce your request rate.")


class Front:
    """A WSGI application on loopback, what it was asked (``PUT /lake/dt=...``), and what becomes of
    that."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.asked: list[str] = []
        self.fault: Fault = Request.answer
        self._app = app
        self._server = make_server(
            "127.0.0.1", 0, self._listen, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _listen(self, environ: dict[str, Any], start_response: Any) -> Any:
        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.asked.append(asked)
        return self.fault(Request(asked, environ, start_response, self._app))


def forwarding(url: str) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that forwards every request to another server."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = dict(environ["front.headers"])
        headers.pop("Transfer-Encoding", None)
        body = get_input_stream(environ).read()
        server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
        server.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body, headers)
        answer = server.getresponse()
        kept = [each for each in answer.getheaders() if each[0].lower() not in _OF_CONNECTION]
        start_response(f"{answer.status} {answer.reason}", kept)
        content = answer.read()
        server.close()
        return [content]

    return app


class _Quiet(WSGIRequestHandler):
    def make_environ(self) -> dict[str, Any]:
        """Keep the headers as they were sent: WSGI changes their names."""
        return {**super().make_environ(), "front.headers": self.headers}

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""


def killing(process, moment):
    """Kill the process that asks, at a moment: before request 1, after it, before request 2, ..."""
    moments = count(1)

    def fault(request):
        if next(moments) == moment:
            process.kill()
            raise ConnectionError
        answer = request.answer()
        if next(moments) == moment:
            process.kill()
        return answer

    return fault
