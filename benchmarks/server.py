"""Servers: for made-up lists in files, as fast as the kernel can send them, and for S3."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from benchmarks.methods import BUCKET
from mailpartner_provider.testing.lists import make_unsubscribes

FIRST, LAST = map(datetime.fromisoformat, ("2015-01-01", "2026-11-01"))  # clock times of Paris

#: Answers that are valid but unusual; each function writes one record in its own way.
UNUSUAL: dict[str, Callable[[int, dict[str, Any]], str]] = {
    "pretty-printed": lambda _, record: f"\n    {json.dumps(record, indent=8)}",
    "ids as text": lambda _, record: json.dumps({**record, "id": str(record["id"])}),
    "unknown fields": lambda n, record: json.dumps({**record, "list": n % 9, "reason": "spam"}),
    "1 % without e-mail": lambda n, record: json.dumps(
        record if n % 100 else {"id": record["id"], "createdAt": None}
    ),
}


def list_file(folder: Path, count: int, kind: str | None = None) -> Path:
    """Return a file with an answer of ``count`` records; write it if it does not exist."""
    file = folder / (f"{count} {kind}.json" if kind else f"{count}.json").replace(" ", "-")
    write = UNUSUAL[kind] if kind else _compact
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        with draft.open("w") as text:
            text.write(f'{{"success":true,"code":200,"nbData":{count},"data":[')
            for number, record in enumerate(make_unsubscribes(count, first=FIRST, last=LAST)):
                text.write("," if number else "")
                text.write(write(number, record))
            text.write("]}")
        draft.rename(file)
    return file


def _compact(_: int, record: dict[str, Any]) -> str:
    return '{{"id":{id},"email":"{email}","createdAt":"{createdAt}"}}'.format(**record)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder from another process; yield the URL."""
    with _running(_serve, folder) as url:
        yield url


@contextmanager
def serving_s3() -> Iterator[dict[str, str]]:
    """Serve S3 from another process; yield the environment with Airflow's connection to it."""
    with _running(_serve_s3) as url:
        extra = {"endpoint_url": url, "region_name": "eu-west-3"}
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        yield {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}


@contextmanager
def _running(serve: Callable[..., None], *arguments: Any) -> Iterator[str]:
    port: Queue[int] = Queue()
    server = Process(target=serve, args=(*arguments, port), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=20)}"
    finally:
        server.terminate()
        server.join()


def _serve(folder: Path, port: Queue[int]) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            file = folder / unquote(
                urlsplit(self.path).path.split("/")[1]
            )  # /NAME/unsubscribe/list
            size = file.stat().st_size
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.flush()
            sent = 0
            with file.open("rb") as body:
                while sent < size:
                    sent += os.sendfile(self.connection.fileno(), body.fileno(), sent, 2**24)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.put(server.server_address[1])
    server.serve_forever()


def _serve_s3(port: Queue[int]) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    number = server.get_host_and_port()[1]
    boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{number}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).create_bucket(Bucket=BUCKET)
    port.put(number)
    threading.Event().wait()
