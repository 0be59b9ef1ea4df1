"""What stops a landing at once, and what is tried again: rules 10 and 11."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import StandIn
from tests.support.api import at_once, connect, cut_off
from tests.support.landing import land, operator


class TestRule10RefusedOrFailed:
    @pytest.mark.parametrize("code", [1, 10, 20, 30, 40, 96])
    @pytest.mark.parametrize("status", [200, 400, 403, 500])
    def test_permanent_code(self, api, lake, code, status):
        """What asking again cannot mend stops the task at once, without using up Airflow's
        retries; HTTP 200 with success: false and HTTP 4xx with the envelope are handled alike."""
        api.script(Answer({"success": False, "code": code, "message": "non"}, status))

        with pytest.raises(AirflowFailException, match=f"code {code}, .*: non"):
            land(lake)

        assert 1 == len(api.asked)
        assert not lake.exists()

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    def test_permanent_status(self, api, lake, status):
        """HTTP 4xx other than 408 and 429 stops the task at once."""
        api.script(Answer(b"<html>no</html>", status))

        with pytest.raises(AirflowFailException, match=f"the API refused .*HTTP {status}"):
            land(lake)

        assert 1 == len(api.asked)

    @pytest.mark.parametrize(
        "answer",
        [
            at_once(b"", 408),
            at_once(b"", 429),
            at_once(b"", 500),
            at_once(b"", 503),
            at_once({"success": False, "code": 429}),
            at_once({"success": False, "code": 500}, 400),
            at_once({"success": False, "code": 7}),
            at_once(b'{"success": true, "data": ['),
            cut_off(b'{"success": true'),
        ],
    )
    def test_passing_failure(self, api, lake, answer):
        """The rest is tried again, then left to Airflow's retries."""
        api.script(*[answer] * 3)
        assert 3 == land(lake)["rows"]
        api.script(*[answer] * 4)

        with pytest.raises(RequestFailed):
            land(lake)

        assert 8 == len(api.asked)

    def test_broken_connection(self, api, lake):
        """A connection that breaks midway is tried again."""
        api.script(Answer(iter([b'{"success": true']), ending="reset"))

        assert 3 == land(lake)["rows"]

    def test_backoff(self, api, lake):
        """Without Retry-After the next try waits, longer each time."""
        api.script(Answer(b"", 503), Answer(b"", 503))
        began = time.monotonic()

        land(lake)

        assert time.monotonic() - began > 1.5

    def test_no_connection(self, api, lake, monkeypatch):
        """A connection that cannot be made is a failure, not a refusal."""
        connect(monkeypatch, api, host="http://127.0.0.1:9")

        with pytest.raises(RequestFailed, match="nothing listens at 127.0.0.1:9"):
            operator(lake).hook.fetch_unsubscribes()

    def test_silence(self, api, lake, monkeypatch):
        """A server that falls silent is given up after read_timeout."""
        connect(monkeypatch, api, extra={"read_timeout": 0.3})
        api.script(faults.stalled())

        with pytest.raises(RequestFailed, match="connection broke|not answer within read_timeout"):
            list(operator(lake).hook.fetch_unsubscribes())


class TestRule11NeverElsewhere:
    @pytest.mark.parametrize("path", ["/v1/unsubscribe/list", "/v2/elsewhere"])
    def test_other_host(self, api, lake, path):
        """No redirect to another host is followed."""
        with StandIn() as elsewhere:
            target = elsewhere.url.replace("/v1", path)
            api.script(Answer(b"", 302, {"Location": target}))

            with pytest.raises(AirflowFailException, match="redirects to another host"):
                land(lake)

            assert [] == elsewhere.asked

    def test_same_origin(self, api, lake):
        """A redirect within the same origin is followed."""
        target = f"/v1/unsubscribe/list?apiKey={quote(api.key, safe='')}"
        api.script(Answer(b"", 301, {"Location": target}))

        assert 3 == land(lake)["rows"]

    def test_in_circles(self, api, lake):
        """Redirects are followed a few times only."""
        api.script(*[Answer(b"", 301, {"Location": "/v1/me"})] * 9)

        with pytest.raises(AirflowFailException, match="redirects in circles"):
            land(lake)

        assert 4 == len(api.asked)
