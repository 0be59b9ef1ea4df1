"""A server on loopback that behaves like the Mail Partner API, with faults on request."""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from mailpartner_provider.testing import answers, faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.faults import Fault
from mailpartner_provider.testing.limits import RateLimit

#: A key full of characters that URLs encode.
DEFAULT_KEY = "stand/in+key=ü%&?#"
_PARIS = ZoneInfo("Europe/Paris")
_POLL_SECONDS = 0.01
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class StandIn:
    """The API with one account: one key, and one list that may change while the server runs.

    ::

        with StandIn() as api:
            api.add("anne@example.com")
            requests.get(f"{api.url}/unsubscribe/list", {"apiKey": api.key})

    Assign ``unsubscribes`` to replace the list; a collection that generates its records during
    iteration is never held in memory. ``asked`` has the path of every call so far, and
    ``limit.asked_at`` its second.

    :param unsubscribes: the raw records of the list
    :param key: the API key to accept
    :param port: the port to listen on; 0 for any free port
    :param limit: the limit on calls in a minute; by default none
    :param delete_method: the method of ``unsubscribe/delete``: the vendor's text has POST, all its
        samples have GET; None accepts both
    """

    def __init__(
        self,
        unsubscribes: Collection[Any] = (),
        *,
        key: str = DEFAULT_KEY,
        port: int = 0,
        limit: RateLimit | None = None,
        delete_method: Literal["GET", "POST"] | None = None,
    ) -> None:
        self.unsubscribes = unsubscribes
        self.key = key
        self.limit = limit or RateLimit()
        self.delete_method = delete_method
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._scripted: deque[Answer | Fault] = deque()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, for the host of a connection."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def connection(self) -> str:
        """The Airflow connection to this server, for an ``AIRFLOW_CONN_...`` variable."""
        fields = {"conn_type": "mailpartner", "host": self.url, "password": self.key}
        return json.dumps(fields, ensure_ascii=False)

    def add(self, email: str, created_at: str | None = None) -> dict[str, Any]:
        """Add an unsubscribe to the list; return its raw record.

        :param created_at: a clock time of Paris, such as ``2015-07-20 10:19:45``; None for now
        """
        record = {
            "id": max((each["id"] for each in self.unsubscribes), default=0) + 1,
            "email": email,
            "createdAt": created_at or f"{datetime.now(_PARIS):%Y-%m-%d %H:%M:%S}",
        }
        self.unsubscribes = [*self.unsubscribes, record]
        return record

    def remove(self, identifier: int) -> None:
        """Remove an unsubscribe from the list."""
        self.unsubscribes = [each for each in self.unsubscribes if each["id"] != identifier]

    def script(self, *steps: Answer | Fault) -> None:
        """Set the next answers, one for each call; a fault changes the usual answer."""
        self._scripted.extend(steps)

    def behave(self) -> None:
        """Discard the rest of the script."""
        self._scripted.clear()

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

    def answer(self, path: str, arguments: Mapping[str, Any], method: str = "GET") -> Answer:
        """Return the answer to a call, and record the call.

        With a scripted answer, the call has no effect on the list. With a scripted fault, it has
        its effect, and only the answer is changed.
        """
        with self._lock:
            self.asked.append(path)
            if refused := self.limit.record():
                return refused
        try:
            step = self._scripted.popleft()
        except IndexError:
            return self._usual(path, arguments, method)
        return step if isinstance(step, Answer) else step(self._usual(path, arguments, method))

    def _usual(self, path: str, arguments: Mapping[str, Any], method: str) -> Answer:
        with self._lock:
            answer = self._in_json(path, arguments, method)
        return faults.xml()(answer) if arguments.get("_format") == "xml" else answer

    def _in_json(self, path: str, arguments: Mapping[str, Any], method: str) -> Answer:
        if not arguments.get("apiKey"):
            return answers.refusal(1, "Clé API requise", 403)
        if arguments["apiKey"] != self.key:
            return answers.refusal(10, "Clé API incorrecte", 403)
        if path == "/v1/me":
            return answers.account()
        if path == "/v1/unsubscribe/list":
            return answers.unsubscribe_list(self.unsubscribes)
        if path == "/v1/unsubscribe/add" and method == "POST":
            return self._add(arguments.get("email"))
        if path == "/v1/unsubscribe/delete" and method == (self.delete_method or method):
            return self._delete(arguments.get("id"))
        if path in ("/v1/unsubscribe/add", "/v1/unsubscribe/delete"):
            return answers.refusal(405, "Method Not Allowed", 405)
        return answers.refusal(404, "Not found", 404)

    def _add(self, email: Any) -> Answer:
        if not email:
            return answers.refusal(2, "Mail requis")
        if not isinstance(email, str) or not _ADDRESS.fullmatch(email):
            return answers.refusal(9, "Mail invalide")
        if any(each["email"] == email for each in self.unsubscribes):
            return answers.refusal(3, "Mail déjà dans la liste")
        return answers.done(stopId=self.add(email)["id"])

    def _delete(self, identifier: Any) -> Answer:
        if not identifier:
            return answers.refusal(3, "Id requis")
        found = [each for each in self.unsubscribes if str(each["id"]) == str(identifier)]
        if not found:
            return answers.refusal(4, "Id introuvable")
        self.remove(found[0]["id"])
        return answers.done()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors of the server; ignore clients that closed their connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms on a connection that is kept
    server: _Server

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            arguments = json.loads(body or "{}")
        except ValueError:
            self._send(answers.refusal(90, "JSON malformé"))
        else:
            self._answer(arguments)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, because the request line contains the key."""

    def _answer(self, arguments: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        arguments = {**dict(parse_qsl(parts.query)), **arguments}
        self._send(self.server.stand_in.answer(parts.path, arguments, self.command))

    def _send(self, answer: Answer) -> None:
        time.sleep(answer.delay)
        framing = answer.framing or ("chunked" if answer.in_pieces else "length")
        pieces = answer.pieces()
        headers = {"Content-Type": "application/json"}
        if framing == "length":
            whole = answer.whole()
            pieces = iter([whole])
            headers["Content-Length"] = str(len(whole))
        elif framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        self.send_response(answer.status)
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in filter(None, pieces):
            self.wfile.write(
                b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece
            )
        if framing == "chunked" and answer.ending == "whole":
            self.wfile.write(b"0\r\n\r\n")
        if framing == "close" or answer.ending != "whole":
            self.close_connection = True
        if answer.ending == "reset":
            self._reset()

    def _reset(self) -> None:
        """Reset the connection instead of closing it."""
        self.wfile.flush()
        no_linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        socket.close(self.connection.detach())  # before the server shuts it down normally
