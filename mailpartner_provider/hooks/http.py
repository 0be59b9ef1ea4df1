"""One seam for HTTP: a session that stays at its origin, and an answer that can be let go of."""

from __future__ import annotations

import logging
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from queue import Empty, Full, Queue
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from mailpartner_provider.errors import (
    LandingStopped,
    MailPartnerError,
    RequestFailed,
    RequestRefused,
)

CHUNK_BYTES = 2**20
#: The longest answer, zipped or not, that is read: some ninety million records.
MAX_ANSWER_BYTES = 8 * 2**30

_ZIPPED_CHUNK_BYTES = 2**16
_QUEUED_CHUNKS = 8
_HEED_SECONDS = 0.2  # how long a stop may go unheard
_GZIP = 16 + zlib.MAX_WBITS
_KIND = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,40}", re.ASCII)


class Head(NamedTuple):
    """What an answer says before its body; ``observed_at`` is when it began."""

    status: int
    content_type: str
    retry_after: float | None
    observed_at: datetime


class Session(requests.Session):
    """A session with time-outs, for paths below a base URL, that never leaves its origin.

    Proxies and ``REQUESTS_CA_BUNDLE`` are taken from the environment, but for http:// no proxy,
    which would read the key; and nothing is taken from ``~/.netrc``. No error of a request that
    could not be sent carries its URL.
    """

    def __init__(self, base_url: str, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self.base_url = base_url
        self.max_redirects = 3
        self.headers["Accept-Encoding"] = "gzip"
        self.trust_env = base_url.startswith("https://")
        self.auth = _unsigned
        for scheme in ("https://", "http://"):
            self.mount(scheme, _DiscreetAdapter(timeouts))

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.url = urljoin(f"{self.base_url}/", str(request.url))
        if _origin(request.url) != _origin(self.base_url):
            raise RequestRefused("this session carries the API key, which no other host must see")
        return super().prepare_request(request)

    def rebuild_auth(self, *args: Any) -> None:
        """Leave a redirected request as it is."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        resp.close()  # requests would read all of its body, which may have no end
        if _origin(urljoin(resp.url, target)) != _origin(resp.url):
            raise RequestRefused(
                "the API redirects to another host, which must not see the API key: "
                "correct the connection's Base URL"
            )
        return target


class Download:
    """An answer, received by a thread of its own: a stop is heard while the network is silent.

    :param send: sends the request
    :param stopped: whether somebody wants no more of it
    """

    def __init__(self, send: Callable[[], requests.Response], stopped: Callable[[], bool]) -> None:
        self._send = send
        self._stopped = stopped
        self._closed = False
        self._received: Queue[Head | bytes | MailPartnerError | None] = Queue(_QUEUED_CHUNKS)
        threading.Thread(target=self._receive, name="mailpartner-download", daemon=True).start()
        self.head: Head = self._take()

    def __iter__(self) -> Iterator[bytes]:
        """Give the body, decompressed."""
        try:
            while (chunk := self._take()) is not None:
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the rest."""
        self._closed = True

    def _take(self) -> Any:
        while not self._stopped():
            try:
                taken = self._received.get(timeout=_HEED_SECONDS)
            except Empty:
                continue
            break
        else:
            self.close()
            raise LandingStopped("stopped while the answer was being received")
        if isinstance(taken, MailPartnerError):
            raise taken
        return taken

    def _receive(self) -> None:
        """Receive into the queue: the head, the chunks, then None or what went wrong."""
        end: MailPartnerError | None = None
        try:
            with self._send() as response:
                self._put(_head(response))
                for chunk in _body(response):
                    if not self._put(chunk):
                        return
        except MailPartnerError as error:
            end = error.with_traceback(None)  # whose variables hold the URL and the body
        except Exception as error:  # its text and its context carry the URL: only its kind goes on
            end = _failure(error)
        self._put(end)

    def _put(self, item: Head | bytes | MailPartnerError | None) -> bool:
        while not self._closed:
            try:
                self._received.put(item, timeout=_HEED_SECONDS)
            except Full:
                continue
            return True
        return False


class _DiscreetAdapter(HTTPAdapter):
    """Adds the time-outs that requests would otherwise leave out, and keeps the URL to itself."""

    def __init__(self, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self._timeouts = timeouts

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or self._timeouts
        _asking.now = True
        try:
            return super().send(request, *args, **kwargs)
        except requests.RequestException as error:
            kind = type(error)
        finally:
            _asking.now = False
        # Out here, for the error's text, request and context carry the URL.
        raise kind("the request could not be sent, or was not answered")


class _NotOurs(logging.Filter):
    """Drops what urllib3 logs of a request of ours: the URL, and headers that it cannot read."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_asking, "now", False)


_asking = threading.local()
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_NotOurs())


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign nothing: the key is in the URL, and requests would look into ``~/.netrc``."""
    return request


def _origin(url: str) -> tuple[str, str]:
    """Give the scheme and all of the authority: a user name in it makes another origin."""
    parts = urlsplit(url)
    default = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.lower().removesuffix(default)


def _head(response: requests.Response) -> Head:
    observed_at = datetime.now(timezone.utc)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    kind = content_type if _KIND.fullmatch(content_type) else ""
    retry_after = _seconds(response.headers.get("Retry-After", ""), observed_at)
    return Head(response.status_code, kind, retry_after, observed_at)


def _seconds(retry_after: str, now: datetime) -> float | None:
    """Read ``Retry-After``, which is a number of seconds or a date."""
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
        return _limited(_unzipped(_limited(_raw(response, _ZIPPED_CHUNK_BYTES))))
    raise RequestFailed("the answer is compressed in a way that was not asked for")


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Pass chunks on until they are too many; asking again would only bring them once more."""
    left = MAX_ANSWER_BYTES
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise RequestRefused(
                f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes, the most that is read: "
                "no suppression list is, so check what answers at the connection's Base URL"
            )
        yield chunk


def _raw(response: requests.Response, size: int) -> Iterator[bytes]:
    """Give the body as it comes, and hold it against its declared length."""
    length = response.headers.get("Content-Length", "")
    received = 0
    while chunk := response.raw.read(size, decode_content=False):
        received += len(chunk)
        yield chunk
    if length.isdecimal() and received != int(length):
        raise RequestFailed(f"the answer was cut off after {received} of {length} bytes")


def _unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unzip piece by piece; the end of the text is not enough, the trailer must be there."""
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
    """Say what broke on the way, by kind alone."""
    kinds: list[tuple[type[Exception], MailPartnerError]] = [
        (
            requests.exceptions.SSLError,
            RequestFailed("no trusted TLS connection: its certificate was not accepted"),
        ),
        (requests.exceptions.ConnectTimeout, RequestFailed("no connection within connect_timeout")),
        (requests.exceptions.ReadTimeout, RequestFailed("no answer within read_timeout")),
        (
            requests.exceptions.TooManyRedirects,
            RequestRefused("the API redirects in circles: correct the connection's Base URL"),
        ),
        (
            requests.exceptions.InvalidURL,
            RequestRefused("the connection's Base URL is no URL: correct it"),
        ),
        (zlib.error, RequestFailed("the compressed body is damaged")),
    ]
    for kind, failure in kinds:
        if isinstance(error, kind):
            return failure
    return RequestFailed(f"the connection broke ({type(error).__name__})")
