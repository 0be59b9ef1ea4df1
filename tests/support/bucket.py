"""A bucket in a real S3 server on loopback, as a mapping from names to bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEY = "made-up-key"
SECRET = "made-up-secret"
REGION = "eu-west-3"


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


class Bucket(MutableMapping[str, bytes]):
    """One bucket, what its server was asked (``PUT /lake/dt=...``), and what becomes of that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.fault: Fault = Request.answer
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._listen, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    @property
    def connection(self) -> dict[str, Any]:
        """Airflow's connection to it."""
        extra = {"endpoint_url": self.url, "region_name": REGION}
        return {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra}

    def __enter__(self) -> Bucket:
        self._thread.start()
        place = {"LocationConstraint": REGION}
        self._client.create_bucket(Bucket=self.name, CreateBucketConfiguration=place)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._client.get_object(Bucket=self.name, Key=name)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            raise KeyError(name) from None

    def __setitem__(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=name, Body=content)

    def __delitem__(self, name: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=name)

    def __iter__(self) -> Iterator[str]:
        listed = self._client.list_objects_v2(Bucket=self.name)
        return (each["Key"] for each in listed.get("Contents", []))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def uploads(self) -> list[str]:
        """List the names of which parts were uploaded, and not yet put together."""
        listed = self._client.list_multipart_uploads(Bucket=self.name)
        return [each["Key"] for each in listed.get("Uploads", [])]

    def _listen(self, environ: dict[str, Any], start_response: Any) -> Any:
        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.asked.append(asked)
        return self.fault(Request(asked, environ, start_response, self._app))


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""
