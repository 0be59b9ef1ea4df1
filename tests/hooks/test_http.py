"""The way to the API and back: TLS, the environment, redirects."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from urllib.parse import quote

import pytest
import requests
import trustme

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import RequestFailed, RequestRefused
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import StandIn
from tests.support import wire
from tests.support.api import THREE, connect, listing
from tests.support.landing import land, operator
from tests.support.wire import Wire

GZIP = {"Content-Encoding": "gzip"}

GOOD = json.dumps(listing(THREE)).encode()


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment without proxies, certificates or a .netrc; to be filled by a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


@pytest.fixture
def authority(tmp_path):
    """A certificate authority that nobody knows, and the file that makes it known."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority, str(tmp_path / "ca.pem")


def certified(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


class TestTls:
    def test_unknown_authority(self, api, lake, monkeypatch, environment, authority):
        """A certificate of an unknown authority is a failure that says so; the key is not sent."""
        with Wire(wire.http(GOOD), certified(authority[0])) as secure:
            connect(monkeypatch, api, host=secure.url)

            with pytest.raises(RequestFailed, match="certificate of 127.0.0.1:[0-9]+ is not acc"):
                operator(lake).hook.fetch_unsubscribes()

        assert [] == secure.asked

    def test_other_host(self, api, monkeypatch, environment, authority):
        """A certificate of another host is a failure, even from a known authority."""
        environment.setenv("REQUESTS_CA_BUNDLE", authority[1])
        with Wire(wire.http(GOOD), certified(authority[0], "api.example")) as secure:
            connect(monkeypatch, api, host=secure.url)

            with pytest.raises(RequestFailed, match="certificate of 127.0.0.1:[0-9]+ is not acc"):
                MailPartnerHook().fetch_unsubscribes()

        assert [] == secure.asked

    def test_known_authority(self, api, lake, monkeypatch, environment, authority):
        """A list lands over TLS once REQUESTS_CA_BUNDLE makes the authority known."""
        environment.setenv("REQUESTS_CA_BUNDLE", authority[1])
        with Wire(wire.http(GOOD), certified(authority[0])) as secure:
            connect(monkeypatch, api, host=secure.url)

            assert 3 == land(lake)["rows"]

    def test_downgrade(self, api, lake, monkeypatch, environment, authority):
        """No redirect from https to http is followed, not even on the same host."""
        environment.setenv("REQUESTS_CA_BUNDLE", authority[1])
        target = wire.http(b"", "302 Found", Location=f"{api.url}/unsubscribe/list")
        with Wire(target, certified(authority[0])) as secure:
            connect(monkeypatch, api, host=secure.url)

            with pytest.raises(AirflowFailException, match="redirects to another host"):
                land(lake)

        assert [] == api.asked


class TestEnvironment:
    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
    def test_no_proxy_for_http(self, api, lake, environment, name):
        """A proxy never sees an http:// request, in which it could read the key."""
        with Wire(wire.http(b"", "502 Bad gateway")) as proxy:
            environment.setenv(name, proxy.url)

            assert 3 == land(lake)["rows"]

        assert [] == proxy.asked

    def test_proxy_for_https(self, api, monkeypatch, environment):
        """A proxy is used for https://, and only learns the name of the host."""
        with Wire(wire.http(b"", "502 Bad gateway")) as proxy:
            environment.setenv("HTTPS_PROXY", proxy.url)
            connect(monkeypatch, api, host="https://api.example/v1")

            with pytest.raises(RequestFailed, match="the proxy does not connect: check HTTPS_PR"):
                MailPartnerHook().fetch_unsubscribes()

        (asked,) = proxy.asked
        assert asked.startswith(b"CONNECT api.example:443 HTTP/1.")
        assert b"apiKey" not in asked

    @pytest.mark.parametrize("redirected", [False, True])
    def test_netrc(self, api, monkeypatch, environment, authority, tmp_path, redirected):
        """What stands in .netrc, for other hosts or all of them, is not sent to the API."""
        (tmp_path / "netrc").write_text("default login zoe password hers\n")
        environment.setenv("REQUESTS_CA_BUNDLE", authority[1])
        with Wire(wire.http(GOOD), certified(authority[0])) as secure:
            if redirected:
                there = wire.http(b"", "302 Found", Location="/there")
                first = iter([there])
                secure.answer = lambda: next(first, wire.http(GOOD))()
            connect(monkeypatch, api, host=secure.url)

            list(MailPartnerHook().fetch_unsubscribes())

        assert 1 + redirected == len(secure.asked)
        assert b"authorization" not in b"".join(secure.asked).lower()


ELSEWHERE = [
    "http://{there}/v1/unsubscribe/list",
    "//{there}/v1/unsubscribe/list",
    "///{there}/",
    "http:{there}/",
    "http:/{there}/",
    "http:///{there}/",
    "\\\\{there}/",
    "/\\{there}/",
    "\t//{there}/",
    "/\t/{there}/",
    "http://{here}@{there}/",
    "http://{here}\\@{there}/",
    "http://{there}\\@{here}/",
    "http://{there}#@{here}/",
    "http://{there}?@{here}/",
    "http://{there}%23@{here}/",
    "http://{there};@{here}/",
    "http://user:word@{here}/",
    "http://{there}%2f@{here}/",
    "HTTP://{there}/",
    "https://{here}/",
    "ftp://{here}/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://[{there}]/",
    "http://{here}.example/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
]


class TestRedirects:
    @pytest.mark.parametrize("location", ELSEWHERE)
    @pytest.mark.parametrize("status", [302, 307, 308])
    def test_never_elsewhere(self, api, status, location):
        """No redirect, however it is written, takes a request to another origin."""
        with StandIn() as elsewhere:
            here, there = (each.url.split("/")[2] for each in (api, elsewhere))
            port = there.partition(":")[2]
            target = location.format(here=here, there=there, port=port)
            api.script(Answer(b"", status, {"Location": target}))

            with pytest.raises((RequestRefused, RequestFailed)):
                list(MailPartnerHook().fetch_unsubscribes())

        assert [] == elsewhere.asked

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_within(self, api, status):
        """A redirect within the origin is followed, a few times."""
        again = Answer(b"", status, {"Location": "?again"})
        there = f"{api.url}/unsubscribe/list?apiKey={quote(api.key)}"
        api.script(again, again, Answer(b"", status, {"Location": there}))

        assert 3 == len(MailPartnerHook().get_df())

    def test_in_circles(self, api):
        """A redirect that leads to another, and so on, is refused."""
        api.script(*[Answer(b"", 302, {"Location": "?again"})] * 5)

        with pytest.raises(RequestRefused, match="redirects in circles"):
            MailPartnerHook().fetch_unsubscribes()

        assert 4 == len(api.asked)

    def test_refresh(self, api):
        """A Refresh header is no redirect."""
        with StandIn() as elsewhere:
            api.script(Answer(listing(THREE), headers={"Refresh": f"0;url={elsewhere.url}"}))

            assert 3 == len(MailPartnerHook().get_df())

        assert [] == elsewhere.asked

    def test_cookies(self, api, monkeypatch):
        """A cookie lives for one request and its redirects, and goes nowhere else."""
        there = wire.http(
            b"", "302 Found", **{"Location": "/there", "Set-Cookie": "crumb=1; Path=/"}
        )
        with Wire(there) as origin, Wire(wire.http(GOOD)) as other:
            answers = iter([there, wire.http(GOOD)])
            origin.answer = lambda: next(answers, wire.http(GOOD))()
            connect(monkeypatch, api, host=origin.url)
            hook = MailPartnerHook()
            for _ in range(2):
                list(hook.fetch_unsubscribes())
            connect(monkeypatch, api, host=other.url)
            list(MailPartnerHook().fetch_unsubscribes())

        crumbs = [b"crumb" in asked for asked in (*origin.asked, *other.asked)]
        assert [False, True, False, False] == crumbs

    def test_endless_body(self, api):
        """The body of a redirect is not read."""
        there = {"Location": f"{api.url}/unsubscribe/list?apiKey={quote(api.key)}"}
        api.script(Answer(faults.bomb()(Answer()).body, 302, {**GZIP, **there}))

        assert 3 == len(MailPartnerHook().get_df())


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("host", "words"),
        [
            ("https://nowhere.invalid/v1", "the host nowhere.invalid is unknown: correct the Base"),
            ("https://127.0.0.1:9/v1", "nothing listens at 127.0.0.1:9: correct the Base URL"),
            ("http://127.0.0.1:9/v1", "nothing listens at 127.0.0.1:9: correct the Base URL"),
        ],
    )
    def test_no_server(self, api, monkeypatch, environment, host, words):
        """An unknown host and a closed port read differently, and say what to correct."""
        connect(monkeypatch, api, host=host)

        with pytest.raises(RequestFailed, match=f"^connection mailpartner_default: {words}"):
            MailPartnerHook().fetch_unsubscribes()

    def test_no_tls(self, api, monkeypatch, environment):
        """A port that does not speak TLS is named, and is no wrong certificate."""
        with socket.create_server(("127.0.0.1", 0)) as plain:
            port = plain.getsockname()[1]

            def refuse():
                talk, _ = plain.accept()
                with talk:
                    talk.recv(65_536)
                    talk.sendall(b"HTTP/1.1 400 Bad request\r\n\r\n")

            server = threading.Thread(target=refuse)
            server.start()
            connect(monkeypatch, api, host=f"https://127.0.0.1:{port}/v1")

            with pytest.raises(RequestFailed, match=f"127.0.0.1:{port} does not speak TLS"):
                MailPartnerHook().fetch_unsubscribes()
            server.join()

    def test_hung_up(self, api, monkeypatch):
        """A server that hangs up is named."""
        with Wire(lambda: iter(())) as silent:
            connect(monkeypatch, api, host=silent.url)

            with pytest.raises(RequestFailed, match="the connection to 127.0.0.1:[0-9]+ broke"):
                MailPartnerHook().fetch_unsubscribes()


class TestSession:
    @pytest.mark.parametrize("host", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
    def test_error(self, api, monkeypatch, host):
        """An error of a request that was not answered carries neither the key nor the URL."""
        connect(monkeypatch, api, host=host)

        with pytest.raises(requests.ConnectionError) as caught:
            MailPartnerHook().get_conn().get("me")

        assert "nothing listens at 127.0.0.1:9: correct the Base URL" in str(caught.value)
        assert (None, None) == (caught.value.request, caught.value.__context__)

    def test_unreadable_headers(self, api, monkeypatch, log):
        """Headers that cannot be read are not logged, nor is the URL."""
        with Wire(wire.http(GOOD, **{"X": "1\r\nzoe@example.com\r\nY: 2"})) as odd:
            connect(monkeypatch, api, host=odd.url)

            list(MailPartnerHook().fetch_unsubscribes())

        said = log()
        assert "zoe@example.com" not in said
        assert "apiKey" not in said
