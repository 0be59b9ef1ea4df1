"""The stand-in behaves as the API's documentation says, and can be changed while it runs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tracemalloc
from datetime import datetime

import pytest
import requests

from mailpartner_provider.testing.limits import RateLimit
from mailpartner_provider.testing.lists import MadeUpList
from mailpartner_provider.testing.server import DEFAULT_KEY, StandIn
from tests.support.api import THREE
from tests.support.waiting import PATIENCE_SECONDS

#: The vendor's documented answers.
DOCUMENTED_LIST = {
    "success": True,
    "code": 200,
    "nbData": 1,
    "data": [{"id": 19, "email": "xxx@www.com", "createdAt": "2015-07-20 10:19:45"}],
}
DOCUMENTED_ERROR = {"success": False, "code": 10, "message": "Clé API incorrecte"}
DOCUMENTED_ERROR_XML = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    "<result><entry>false</entry><entry>10</entry><entry>Clé API incorrecte</entry></result>"
)
DOCUMENTED_ENTRIES = "<entry>19</entry><entry>xxx@www.com</entry><entry>2015-07-20 10:19:45</entry>"


@pytest.fixture
def api():
    """An account with one unsubscribe, as the documentation has it."""
    with StandIn() as stand_in:
        stand_in.unsubscribes = DOCUMENTED_LIST["data"]
        yield stand_in


def ask(api, call="unsubscribe/list", **arguments):
    return requests.get(
        f"{api.url}/{call}", {"apiKey": api.key, **arguments}, timeout=PATIENCE_SECONDS
    )


class TestDocumentedAnswers:
    def test_list(self, api):
        """A list is what the documentation shows."""
        assert DOCUMENTED_LIST == ask(api).json()

    def test_list_in_xml(self, api):
        """In XML it goes by position, and the names are lost."""
        answer = ask(api, _format="xml")

        assert "application/xml" == answer.headers["Content-Type"]
        assert f"<entry><entry>{DOCUMENTED_ENTRIES}</entry></entry></result>" in answer.text

    def test_wrong_key(self, api):
        """A wrong key is code 10, in JSON and in XML."""
        assert DOCUMENTED_ERROR == ask(api, apiKey="x").json()
        assert DOCUMENTED_ERROR_XML == ask(api, apiKey="x", _format="xml").content.decode()

    def test_no_key(self, api):
        """No key is code 1."""
        assert 1 == ask(api, apiKey=None).json()["code"]

    def test_account(self, api):
        """The account's balance is text, to keep it exact."""
        assert "10225.119" == ask(api, "me").json()["credits"]["balance"]

    def test_elsewhere(self, api):
        """There is nothing elsewhere."""
        assert 404 == ask(api, "no/such/call").status_code


class TestChanges:
    def test_add(self, api):
        """A person who opts out is on the list from then on, under a new id."""
        record = api.add("zoe@example.com", "2026-11-23 10:00:00")

        assert {"id": 20, "email": "zoe@example.com", "createdAt": "2026-11-23 10:00:00"} == record
        assert [19, 20] == [each["id"] for each in ask(api).json()["data"]]

    def test_add_now(self, api):
        """Without a time it is now, on the clock of Paris, as the API writes it."""
        assert datetime.fromisoformat(api.add("zoe@example.com")["createdAt"]).microsecond == 0

    def test_remove(self, api):
        """A removed person is no longer on the list."""
        api.remove(19)

        assert [] == ask(api).json()["data"]

    def test_list_of_the_caller(self):
        """The list that a test passed in is never changed."""
        with StandIn(THREE) as api:
            api.add("zoe@example.com")
            api.remove(19)

        assert 3 == len(THREE)

    def test_by_http(self, api):
        """Both can be asked for over HTTP, as of the API."""
        added = requests.post(
            f"{api.url}/unsubscribe/add", json={"apiKey": api.key, "email": "zoe@example.com"}
        ).json()
        assert {"success": True, "code": 200, "stopId": 20} == added

        assert ask(api, "unsubscribe/delete", id=19).json()["success"]
        assert [20] == [each["id"] for each in ask(api).json()["data"]]

    @pytest.mark.parametrize(
        ("call", "arguments", "code"),
        [
            ("add", {}, 2),
            ("add", {"email": "xxx@www.com"}, 3),
            ("add", {"email": "no address"}, 9),
            ("add", {"email": "a@b"}, 9),
            ("add", {"email": 19}, 9),
            ("delete", {}, 3),
            ("delete", {"id": 4}, 4),
        ],
    )
    def test_refused(self, api, call, arguments, code):
        """What cannot be done is refused with the documented code, and nothing changes."""
        answer = requests.post(
            f"{api.url}/unsubscribe/{call}", json={"apiKey": api.key, **arguments}
        )

        assert code == answer.json()["code"]
        assert 1 == len(api.unsubscribes)

    @pytest.mark.parametrize(
        ("documented", "good"),
        [("GET", {"GET"}), ("POST", {"POST"}), (None, {"GET", "POST"})],
    )
    def test_method_of_delete(self, api, documented, good):
        """The documentation contradicts itself about the method of a deletion: either is a switch,
        and the other one is refused, without an effect."""
        api.delete_method = documented

        for method in ("GET", "POST"):
            arguments = {"apiKey": api.key, "id": 4}
            sent = {"json": arguments} if method == "POST" else {"params": arguments}
            answer = requests.request(method, f"{api.url}/unsubscribe/delete", **sent)
            assert (400 if method in good else 405) == answer.status_code

    def test_add_is_a_post(self, api):
        """An addition by GET is refused."""
        assert 405 == ask(api, "unsubscribe/add", email="zoe@example.com").status_code
        assert 1 == len(api.unsubscribes)

    def test_malformed(self, api):
        """A body that is no JSON is code 90."""
        answer = requests.post(f"{api.url}/unsubscribe/add", data=b"{", timeout=PATIENCE_SECONDS)

        assert 90 == answer.json()["code"]


def test_rate_limit():
    """Of any sliding minute, so many calls are answered; the others are refused, without an effect,
    and hear how long to wait. Once they do, they are answered."""
    now = [100.0]
    with StandIn(THREE, limit=RateLimit(2, clock=lambda: now[0])) as api:
        statuses = []
        for now[0] in (100.0, 110.5, 120.0, 160.0, 165.0):
            answer = ask(api, "me")
            statuses.append((answer.status_code, answer.headers.get("Retry-After")))

    assert [(200, None), (200, None), (429, "40"), (200, None), (429, "6")] == statuses
    assert [100.0, 110.5, 120.0, 160.0, 165.0] == api.limit.asked_at


def test_any_size():
    """A long list is sent without ever being held."""
    first, last = map(datetime.fromisoformat, ("2015-01-01", "2026-01-01"))
    with StandIn(MadeUpList(30_000, first=first, last=last)) as api:
        tracemalloc.start()
        url, key = f"{api.url}/unsubscribe/list", {"apiKey": api.key}
        with requests.get(url, key, stream=True, timeout=PATIENCE_SECONDS) as answer:
            size = sum(map(len, answer.iter_content(65_536)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert size > 2_400_000
    assert peak < size / 2


def test_by_hand():
    """Run by hand it says how to connect, and serves until it is interrupted."""
    command = [sys.executable, "-m", "mailpartner_provider.testing", "--count", "3"]
    command += ["--key", "mine", "--fault", "empty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            name, _, value = process.stdout.readline().removeprefix("export ").partition("=")
            connection = json.loads(value.strip().strip("'"))
            url = f"{connection['host']}/unsubscribe/list"
            answers = [
                requests.get(url, {"apiKey": "mine"}, timeout=PATIENCE_SECONDS) for _ in range(2)
            ]
        finally:
            process.terminate()

    assert "AIRFLOW_CONN_MAILPARTNER_DEFAULT" == name
    assert ["", 3] == [answers[0].text, answers[1].json()["nbData"]]


def test_to_paste():
    """What it prints can be pasted: into a shell, and the key into the form; the port is chosen."""
    key = "l'été/+&#"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mailpartner_provider.testing", "--count", "3"]
    command += ["--port", str(port), "--key", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline() for _ in range(2)]
        finally:
            process.terminate()
    shell = subprocess.run(
        ["sh"],
        input=f"{lines[0]}printenv AIRFLOW_CONN_MAILPARTNER_DEFAULT\n",
        capture_output=True,
        text=True,
    )

    url = f"http://127.0.0.1:{port}/v1"
    fields = {"conn_type": "mailpartner", "host": url, "password": key}
    assert fields == json.loads(shell.stdout)
    assert key in lines[0].replace("'\"'\"'", "'")
    assert f"# In the connection form: Base URL {url}, API key {key}\n" == lines[1]


def test_default_key():
    """The usual key is full of characters that URLs encode."""
    assert set("/+=%&?#") < set(DEFAULT_KEY)
