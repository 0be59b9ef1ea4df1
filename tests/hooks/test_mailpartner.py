"""The connection, the session, and the calls."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode

import pandas as pd
import pyarrow as pa
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.credits import Credits
from mailpartner_provider.errors import RequestFailed, RequestRefused
from mailpartner_provider.hooks.connection import (
    key_forms,
    read_base_url,
    read_email_hmac_key,
)
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.schemas import RECORD
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, at_once, connect, listing


def with_extra(**extra):
    """Make a connection with these extras."""
    return SimpleNamespace(conn_id="mine", extra_dejson=extra)


def with_host(host, port=None, schema=None):
    """Make a connection with this host."""
    return SimpleNamespace(conn_id="mine", host=host, port=port, schema=schema)


class TestConnection:
    @pytest.mark.parametrize(
        ("host", "base_url"),
        [
            (None, "https://api.mailpartner.fr/v1"),
            ("", "https://api.mailpartner.fr/v1"),
            ("https://api.example.com/v2/", "https://api.example.com/v2"),
            ("api.example.com/v1", "https://api.example.com/v1"),
            ("http://localhost:8080/v1", "http://localhost:8080/v1"),
            ("http://127.8.8.8/v1", "http://127.8.8.8/v1"),
            ("http://[::1]:99/v1", "http://[::1]:99/v1"),
        ],
    )
    def test_base_url(self, host, base_url):
        """The base URL is https, or http on a loopback host; empty is Mail Partner's own."""
        assert base_url == read_base_url(with_host(host))

    @pytest.mark.parametrize(
        ("uri", "base_url"),
        [
            ("mailpartner://:key@127.0.0.1:8443/v2", "https://127.0.0.1:8443/v2"),
            ("mailpartner://:key@api.example.com:8443/a/v2", "https://api.example.com:8443/a/v2"),
            ("mailpartner://:key@api.example.com/v2", "https://api.example.com/v2"),
            ("mailpartner://:key@api.example.com:8443", "https://api.example.com:8443"),
            ("mailpartner://:key@[::1]:8443/v2", "https://[::1]:8443/v2"),
            ("mailpartner://:key@/v2", "https://api.mailpartner.fr/v2"),
            ("mailpartner://:key@", "https://api.mailpartner.fr/v1"),
            ("mailpartner://http://:key@127.0.0.1:8080/v2", "http://127.0.0.1:8080/v2"),
            (
                "mailpartner://:key@https%3A%2F%2Fapi.example.com%3A8443%2Fv2",
                "https://api.example.com:8443/v2",
            ),
            ("mailpartner://:key@127.0.0.1:8080/http", "http://127.0.0.1:8080"),
        ],
    )
    def test_base_url_of_uri(self, monkeypatch, uri, base_url):
        """A connection that was made from a URI keeps its port and path."""
        monkeypatch.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", uri)

        assert base_url == MailPartnerHook().base_url

    @pytest.mark.parametrize(
        ("port", "schema"), [(0, None), (443, "https"), (None, "v1"), (443, "/v1/")]
    )
    def test_base_url_twice(self, port, schema):
        """Port and schema may repeat what the host says; a port of 0 is none."""
        api = "https://api.example.com:443/v1"

        assert api == read_base_url(with_host(api, port, schema))

    @pytest.mark.parametrize(("field", "value"), [("port", 8443), ("schema", "v2")])
    def test_contradiction(self, field, value):
        """A port or a path beside a host that has another one is refused by name."""
        connection = with_host("https://api.example.com:443/v1", **{field: value})

        with pytest.raises(RequestRefused, match=f"{field.capitalize()} is not the .*remove one"):
            read_base_url(connection)

    @pytest.mark.parametrize(
        ("host", "why"),
        [
            ("http://api.mailpartner.fr/v1", "key travels in the URL"),
            ("http://127.0.0.1.example.com/v1", "key travels in the URL"),
            ("http://10.0.0.1/v1", "key travels in the URL"),
            ("ftp://api.mailpartner.fr/v1", "not the https:// URL"),
            ("https://", "not the https:// URL"),
            ("https://[api.mailpartner.fr/v1", "not the https:// URL"),
            ("https://api.mailpartner.fr:https/v1", "not the https:// URL"),
            ("https://me:secret@api.mailpartner.fr/v1", "not the https:// URL"),
            ("https://api.mailpartner.fr/v1?apiKey=secret", "end with its path"),
            ("https://api.mailpartner.fr/v1#secret", "end with its path"),
        ],
    )
    def test_unusable_base_url(self, host, why):
        """A base URL that would show the key, or is none, is refused by name, without its text."""
        with pytest.raises(
            RequestRefused, match=f"connection mine: the Base URL .*{why}"
        ) as caught:
            read_base_url(with_host(host))

        assert "secret" not in str(caught.value)

    def test_no_key(self, api, monkeypatch):
        """A connection without a key is refused before anything is asked."""
        connect(monkeypatch, api, password=None)

        with pytest.raises(RequestRefused, match="there is no API key: enter it as the password"):
            MailPartnerHook().fetch_unsubscribes()

        assert [] == api.asked

    @pytest.mark.parametrize("space", [" ", "\n", "\t\u00a0"])
    def test_space_around_the_key(self, api, monkeypatch, space):
        """White space around the key, as copying adds it, is removed; a key of nothing else is
        none."""
        connect(monkeypatch, api, password=f"{space}{api.key}{space}")
        assert MailPartnerHook().test_connection()[0]

        connect(monkeypatch, api, password=space)
        assert (False, "there is no API key: enter it as the password") == (
            MailPartnerHook().test_connection()
        )

    def test_other_type(self, api, monkeypatch):
        """A connection of another type is refused before its password goes anywhere."""
        connect(monkeypatch, api, conn_type="aws")

        with pytest.raises(
            RequestRefused, match="^connection mailpartner_default: its type is 'aws': choose a"
        ):
            MailPartnerHook().fetch_unsubscribes()

        assert [] == api.asked

    def test_without_type(self, api, monkeypatch):
        """A connection of the environment may leave its type out."""
        connect(monkeypatch, api, conn_type=None)

        assert MailPartnerHook().test_connection()[0]

    def test_missing(self):
        """A connection that does not exist is named, with what to do in a task and outside one."""
        with pytest.raises(RequestRefused) as caught:
            MailPartnerHook("mailpartner_hats").get_df()

        words = "connection mailpartner_hats: it does not exist: add it in Admin → Connections"
        assert str(caught.value).startswith(words)
        assert "outside a task" in str(caught.value)
        assert "export AIRFLOW_CONN_MAILPARTNER_HATS" in str(caught.value)

    @pytest.mark.parametrize("seconds", [0, -1, "soon", "inf", "nan", [5]])
    @pytest.mark.parametrize("name", ["connect_timeout", "read_timeout"])
    def test_wrong_timeout(self, api, monkeypatch, name, seconds):
        """A time-out that is no positive number of seconds is refused by name."""
        connect(monkeypatch, api, extra={name: seconds})

        with pytest.raises(RequestRefused, match=f"extra {name} is not a positive number"):
            MailPartnerHook().get_conn()

    def test_email_hmac_key(self):
        """The key for hashed e-mails is taken as it stands, white space included; half a surrogate
        pair is refused without its text."""
        assert " k\n" == read_email_hmac_key(with_extra(email_hmac_key=" k\n"))
        with pytest.raises(RequestRefused, match="email_hmac_key is not a text") as caught:
            read_email_hmac_key(with_extra(email_hmac_key="secret\ud800"))

        assert "secret" not in str(caught.value)

    @given(st.text(min_size=1).filter(lambda key: key.isprintable()))
    def test_key_forms(self, key):
        """Whatever requests puts into a URL for a key is among the forms that are masked."""
        query = requests.Request("GET", "https://x.example/", params={"apiKey": key}).prepare().url
        _, _, in_url = query.partition("apiKey=")

        assert in_url in key_forms(key)
        assert urlencode({"apiKey": key}).partition("=")[2] in key_forms(key)
        assert [key] == parse_qs(f"apiKey={in_url}", keep_blank_values=True)["apiKey"]


class TestSession:
    def test_ready(self, api):
        """The session has the key, verifies TLS, and knows the base URL; nothing was asked yet."""
        session = MailPartnerHook().get_conn()

        assert session.verify is True
        assert [] == api.asked
        assert 269082 == session.get("me").json()["credits"]["creditMail"]

    def test_time_out(self, api, monkeypatch):
        """A call without a time-out of its own gets those of the connection."""
        connect(monkeypatch, api, extra={"connect_timeout": "0.2", "read_timeout": 0.2})
        api.script(faults.late(0.5))

        with pytest.raises(requests.ReadTimeout):
            MailPartnerHook().get_conn().get("me")

    def test_stays(self, api):
        """The session refuses to take the key to another host."""
        with pytest.raises(RequestRefused, match="only to its Base URL"):
            MailPartnerHook().get_conn().get("https://elsewhere.example/me")


class TestTestConnection:
    def test_good(self, api):
        """Of a good connection the message is what the account has left."""
        assert (
            True,
            "Connected to Mail Partner: 269082 mail credits, balance 10225.119 EUR",
        ) == MailPartnerHook().test_connection()

    def test_without_balance(self, api):
        """An account whose balance the API does not tell is good as well."""
        api.script(Answer({"success": True, "user": {"username": "anne@example.com"}}))

        assert (True, "Connected to Mail Partner; its answer has no balance") == (
            MailPartnerHook().test_connection()
        )

    def test_wrong_key(self, api, monkeypatch):
        """Of a wrong key the message is what to correct, without the key."""
        connect(monkeypatch, api, password="wrong-key")

        good, message = MailPartnerHook().test_connection()

        assert not good
        assert message.startswith("the API key is wrong: correct it")
        assert "wrong-key" not in message

    @pytest.mark.parametrize(
        "fields", [{"host": "http://127.0.0.1:9"}, {"host": "ftp://x"}, {"password": ""}]
    )
    def test_never_raises(self, api, monkeypatch, fields):
        """Of a connection that cannot work the message says why."""
        connect(monkeypatch, api, **fields)

        good, message = MailPartnerHook().test_connection()

        assert not good
        assert message

    def test_no_such_connection(self):
        """Of a connection that does not exist the message says so."""
        good, message = MailPartnerHook("nowhere").test_connection()

        assert not good
        assert message.startswith("it does not exist: add it in Admin → Connections")

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"", {"success": False}])
    def test_odd_answer(self, api, body):
        """Of an answer that is no account the message says so, after one try."""
        api.script(Answer(body))

        assert not MailPartnerHook().test_connection()[0]
        assert 1 == len(api.asked)

    @pytest.mark.parametrize("status", [200, 403])
    def test_error_in_xml(self, api, status):
        """Of an error in XML the message is the same as in JSON."""
        refusing = faults.refusing(10, status=status)
        api.script(refusing, faults.combined(refusing, faults.xml()))

        told = [MailPartnerHook().test_connection() for _ in range(2)]

        assert not told[0][0]
        assert told[0] == told[1]

    def test_account_in_xml(self, api):
        """Of an account in XML the message says so: nothing in it says which number is what."""
        api.script(faults.xml())

        good, message = MailPartnerHook().test_connection()

        assert not good
        assert "the answer is XML, which names no fields" in message


class TestCredits:
    def test_typed(self, api):
        """Credits are a count, an exact amount and a currency."""
        assert Credits(269082, Decimal("10225.119"), "EUR") == MailPartnerHook().get_credits()

    def test_other_shapes(self, api):
        """What the API leaves out is None."""
        api.script(Answer({"success": True}), Answer({"success": True, "credits": {"balance": 3}}))

        assert Credits(None, None, None) == MailPartnerHook().get_credits()
        assert Credits(None, Decimal(3), None) == MailPartnerHook().get_credits()


class TestUnsubscribes:
    def test_batches(self, api):
        """The stream is of record batches in the fixed schema, exact beyond 2^53."""
        batches = list(MailPartnerHook().unsubscribe_batches())

        assert {RECORD} == {batch.schema for batch in batches}
        table = pa.Table.from_batches(batches)
        assert [19, 20, 9007199254740993] == table.column("id").to_pylist()

    def test_zone(self, api):
        """The zone says which instant a createdAt without one means."""
        utc, paris = MailPartnerHook().get_df("UTC"), MailPartnerHook().get_df()

        assert [10, 8] == [frame["created_at"][0].hour for frame in (utc, paris)]

    def test_tried_again_before_the_first_batch(self, api):
        """What breaks before the first batch is tried again."""
        api.script(at_once(b"", 503), at_once(b'{"success": tr'))

        assert 3 == sum(batch.num_rows for batch in MailPartnerHook().unsubscribe_batches())

    def test_verified_by_the_end(self, api):
        """A failed check raises by the time the stream ends, and is not tried again."""
        api.script(at_once(listing(THREE, nbData=4)))
        batches = MailPartnerHook().unsubscribe_batches()
        next(batches)

        with pytest.raises(RequestFailed, match="declares 4 records"):
            list(batches)

        assert 1 == len(api.asked)

    def test_left_out(self, api, log):
        """A record that cannot be a row is left out, and the log says so."""
        left_out = "Left out records that cannot be rows: {'email is missing': %d}"

        api.unsubscribes = [*THREE, {"id": 4}]
        assert 3 == sum(batch.num_rows for batch in MailPartnerHook().unsubscribe_batches())
        assert left_out % 1 in log()

        api.unsubscribes = [*THREE, {"id": 4}, {"id": 5}]
        assert 3 == len(MailPartnerHook().get_df())
        assert left_out % 2 in log()

    def test_frame(self, api):
        """The DataFrame has Arrow-backed types, and starts again when an answer broke midway."""
        api.script(at_once(listing(THREE, nbData=4)))

        frame = MailPartnerHook().get_df()

        assert 3 == len(frame)
        assert pd.ArrowDtype(pa.int64()) == frame["id"].dtype
        assert pd.ArrowDtype(pa.timestamp("us", "UTC")) == frame["created_at"].dtype


class TestWaiting:
    def state(self, attempt: int, idle_for: float = 0.0):
        return SimpleNamespace(attempt_number=attempt, idle_for=idle_for, outcome=None)

    @pytest.mark.parametrize(("attempt", "least"), [(1, 0.5), (2, 1), (3, 2)])
    def test_backoff(self, attempt, least):
        """Each wait is longer than the one before, with jitter."""
        wait = MailPartnerHook().attempts().wait

        assert least <= wait(self.state(attempt)) <= least + 0.5

    @pytest.mark.parametrize(
        ("retry_after", "waits"), [("7", (7, 7)), ("3600", (60, 60)), ("0", (0, 0))]
    )
    def test_retry_after(self, api, retry_after, waits):
        """Retry-After is honoured, and capped at 60 s."""
        hook = MailPartnerHook()
        api.script(Answer(b"", 503, {"Retry-After": retry_after}))
        with pytest.raises(RequestFailed):
            hook.fetch_unsubscribes()

        assert waits[0] <= hook.attempts().wait(self.state(1)) <= waits[1]

    def test_retry_after_as_date(self, api):
        """Retry-After may be a date; one that has passed means now."""
        hook = MailPartnerHook()
        api.script(Answer(b"", 429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
        with pytest.raises(RequestFailed):
            hook.fetch_unsubscribes()

        assert 0 == hook.attempts().wait(self.state(1))

    def test_in_all(self, api):
        """Never more than two and a half minutes of waiting in all."""
        hook = MailPartnerHook()
        api.script(Answer(b"", 503, {"Retry-After": "60"}))
        with pytest.raises(RequestFailed):
            hook.fetch_unsubscribes()

        assert 30 == hook.attempts().wait(self.state(3, idle_for=120))
        assert 0 == hook.attempts().wait(self.state(4, idle_for=150))
