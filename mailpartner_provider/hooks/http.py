"""An HTTP session with time-outs, which sends requests to one origin only and hides their URLs."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from mailpartner_provider.errors import RequestRefused


class Session(requests.Session):
    """A session with time-outs, for paths below a base URL, that never leaves its origin.

    It uses ``REQUESTS_CA_BUNDLE`` and the proxies of the environment (for https:// only: another
    proxy would read the key), and ignores ``~/.netrc``. The error of a request that could not be
    sent does not carry its URL.
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
            raise RequestRefused("this session sends the API key, and only to its Base URL")
        return super().prepare_request(request)

    def rebuild_auth(self, *args: Any) -> None:
        """Return without a change: the key is in the URL, not in a header."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        resp.close()  # requests would read all of its body, which may have no end
        if _origin(urljoin(resp.url, target)) != _origin(resp.url):
            raise RequestRefused(
                "the API redirects to another host, which must not receive the API key: correct "
                "the Base URL"
            )
        return target


class Cause(str):
    """The error of an unanswered request: its cause and cure, without path and query of the URL."""


class _DiscreetAdapter(HTTPAdapter):
    """Adds the time-outs that requests would otherwise omit, and removes URLs from errors."""

    def __init__(self, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self._timeouts = timeouts

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or self._timeouts
        _sending.now = True
        try:
            return super().send(request, *args, **kwargs)
        except requests.RequestException as error:
            kind, cause = type(error), _cause(error, urlsplit(str(request.url)))
        finally:
            _sending.now = False
        # Outside, because the text, request and context of the original error carry the URL.
        raise kind(Cause(cause))


class _NotOurs(logging.Filter):
    """Drops what urllib3 logs about our requests: the URL, and headers that it cannot read."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_sending, "now", False)


_sending = threading.local()
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_NotOurs())


def _cause(error: requests.RequestException, url: SplitResult) -> str:
    """Return the words for an error of requests."""
    host = f"{url.hostname}:{url.port or {'https': 443}.get(url.scheme, 80)}"
    causes: dict[type[BaseException], str] = {
        requests.exceptions.ProxyError: (
            "the proxy does not connect: check HTTPS_PROXY and NO_PROXY"
        ),
        requests.ConnectTimeout: (
            f"{host} does not connect within connect_timeout: check the Base URL and the firewall"
        ),
        requests.ReadTimeout: (
            f"{host} does not answer within read_timeout: try later, or raise the extra "
            "read_timeout"
        ),
        socket.gaierror: (
            f"the host {url.hostname} is unknown: correct the Base URL, or this machine's DNS"
        ),
        ConnectionRefusedError: (
            f"nothing listens at {host}: correct the Base URL, or check the service there"
        ),
        ssl.SSLCertVerificationError: (
            f"the TLS certificate of {host} is not accepted: check the Base URL, or set "
            "REQUESTS_CA_BUNDLE to a file that has its authority"
        ),
        ssl.SSLError: f"{host} does not speak TLS as expected: check the port of the Base URL",
    }
    chain = list(_chain(error))
    for kind, cause in causes.items():
        if any(isinstance(each, kind) for each in chain):
            return cause
    return f"the connection to {host} broke ({type(error).__name__}): check the network, try later"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that caused it."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request unsigned; without this, requests would read ``~/.netrc``."""
    return request


def _origin(url: str) -> tuple[str, str]:
    """Return the scheme and the whole authority: a user name in it makes another origin."""
    parts = urlsplit(url)
    default = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.lower().removesuffix(default)
