"""An answer, received by a background thread and checked against its declared length."""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

import requests

from mailpartner_provider.api.envelope import read_xml
from mailpartner_provider.errors import (
    LandingStopped,
    MailPartnerError,
    RequestFailed,
    RequestRefused,
)
from mailpartner_provider.exact_json import parse_json
from mailpartner_provider.hooks.http import Cause

CHUNK_BYTES = 2**20
#: The longest answer, compressed or not, that is read: some ninety million records.
MAX_ANSWER_BYTES = 8 * 2**30

SHORT_ANSWER_BYTES = 2**20

_COMPRESSED_CHUNK_BYTES = 2**16
_QUEUED_CHUNKS = 8
_STOP_SECONDS = 0.2  # how soon a stop is noticed
_GZIP = 16 + zlib.MAX_WBITS
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,40}", re.ASCII)


class Head(NamedTuple):
    """The start of an answer; ``observed_at`` is the instant at which it began."""

    status: int
    content_type: str
    retry_after: float | None
    observed_at: datetime


class Download:
    """A response read by a background thread, so that cancellation does not wait for the network.

    :param send: sends the request
    :param stopped: returns whether the task was stopped
    """

    def __init__(self, send: Callable[[], requests.Response], stopped: Callable[[], bool]) -> None:
        self._send = send
        self._stopped = stopped
        self._closed = False
        self._received: Queue[Head | bytes | MailPartnerError | None] = Queue(_QUEUED_CHUNKS)
        threading.Thread(target=self._receive, name="mailpartner-download", daemon=True).start()
        self.head: Head = self._next()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body, decompressed."""
        try:
            while (chunk := self._next()) is not None:
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Stop receiving."""
        self._closed = True

    def _next(self) -> Any:
        try:
            while not self._stopped():
                try:
                    item = self._received.get(timeout=_STOP_SECONDS)
                except Empty:
                    continue
                if isinstance(item, MailPartnerError):
                    raise item
                return item
            raise LandingStopped("the task was stopped while the answer was being received")
        except BaseException:  # a signal, too
            self.close()
            raise

    def _receive(self) -> None:
        """Receive into the queue: the head, the chunks, then None or an error."""
        end: MailPartnerError | None = None
        try:
            with self._send() as response:
                self._put(_head(response))
                for chunk in _body(response):
                    if not self._put(chunk):
                        return
        except MailPartnerError as error:
            end = error.with_traceback(None)  # its variables hold the URL and the body
        except Exception as error:  # its text and context carry the URL: only its kind is used
            end = _failure(error)
        self._put(end)

    def _put(self, item: Head | bytes | MailPartnerError | None) -> bool:
        while not self._closed:
            try:
                self._received.put(item, timeout=_STOP_SECONDS)
            except Full:
                continue
            return True
        return False


def read_members(answer: Download, call: str) -> dict[str, Any] | None:
    """Read a short answer; None when it is neither a JSON object nor an error in XML.

    :raises BadData: it is a list in XML
    """
    body = b""
    with closing(answer):
        for chunk in answer:
            body += chunk
            if len(body) > SHORT_ANSWER_BYTES:
                return None
    try:
        members = read_xml(body, call=call) or parse_json(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _head(response: requests.Response) -> Head:
    observed_at = datetime.now(timezone.utc)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    media_type = content_type if _MEDIA_TYPE.fullmatch(content_type) else ""
    retry_after = _seconds(response.headers.get("Retry-After", ""), observed_at)
    return Head(response.status_code, media_type, retry_after, observed_at)


def _seconds(retry_after: str, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, as a number or by a date."""
    if re.fullmatch("[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or timezone.utc) - now).total_seconds())


def _body(response: requests.Response) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return _limited(_raw(response, CHUNK_BYTES))
    if encoding in ("gzip", "x-gzip"):
        return _limited(_decompressed(_limited(_raw(response, _COMPRESSED_CHUNK_BYTES))))
    raise RequestFailed("the answer is compressed by something else than gzip")


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks; raise an error that is not retried if they exceed the limit."""
    left = MAX_ANSWER_BYTES
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise RequestRefused(
                f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes: check what answers at the "
                "Base URL, because no suppression list is that long"
            )
        yield chunk


def _raw(response: requests.Response, size: int) -> Iterator[bytes]:
    """Yield the body as received, and compare its length with the declared one."""
    length = response.headers.get("Content-Length", "")
    received = 0
    while chunk := response.raw.read(size, decode_content=False):
        received += len(chunk)
        yield chunk
    if length.isdecimal() and received != int(length):
        raise RequestFailed(f"the answer was cut off after {received} of {length} bytes")


def _decompressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress piece by piece, and check that the gzip trailer arrived."""
    inflate, whole = zlib.decompressobj(_GZIP), True
    for chunk in chunks:
        while chunk:
            piece = inflate.decompress(chunk, CHUNK_BYTES)
            whole = inflate.eof
            while piece:
                yield piece
                piece = inflate.decompress(inflate.unconsumed_tail, CHUNK_BYTES)
                whole = inflate.eof
            chunk = inflate.unused_data
            if whole:
                inflate = zlib.decompressobj(_GZIP)
    if not whole:
        raise RequestFailed("the answer was cut off inside its compressed body")


def _failure(error: Exception) -> MailPartnerError:
    """Return the error of this package for an error of requests."""
    if error.args and isinstance(error.args[0], Cause):
        return RequestFailed(str(error.args[0]))
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return RequestRefused("the API redirects in circles: correct the Base URL")
    if isinstance(error, requests.exceptions.InvalidURL):
        return RequestRefused("the Base URL is no URL: correct it")
    if isinstance(error, zlib.error):
        return RequestFailed("the compressed body is damaged")
    return RequestFailed(
        f"the connection broke while the answer came ({type(error).__name__}): check the network"
    )
