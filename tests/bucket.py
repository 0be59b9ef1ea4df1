"""A bucket in a real S3 server on loopback, as a mapping from names to bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEY = "made-up-key"
SECRET = "made-up-secret"
REGION = "eu-west-3"


class Bucket(MutableMapping[str, bytes]):
    """One bucket, what its server was asked (``PUT /lake/dt=...``), and what of that it refuses."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self._answer = DomainDispatcherApplication(create_backend_app)
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

    def _listen(self, environ: dict[str, Any], start_response: Any) -> Any:
        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.asked.append(asked)
        if asked not in self.refused:
            return self._answer(environ, start_response)
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""
