"""Additions to the list and deletions from it, one address or id at a time."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest
import requests
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.additions import AddOutcome
from mailpartner_provider.errors import MailPartnerError, RequestFailed, RequestRefused
from mailpartner_provider.hooks import retrying
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.limits import RateLimit
from mailpartner_provider.testing.server import DEFAULT_KEY, StandIn
from tests.support import wire
from tests.support.api import THREE, at_once, connect
from tests.support.wire import Wire

ADDRESS = "Zoe.Secret@example.com"
ADD = "/v1/unsubscribe/add"
DELETE = "/v1/unsubscribe/delete"

#: What may happen to an answer on its way, after the API has done what was asked.
LOST = {
    "reset": faults.reset(0),
    "cut": faults.truncated(0.5),
    "cut, nothing tells": faults.truncated(0.5, "close"),
    "500": faults.failing(500),
    "503": faults.failing(503),
    "429": faults.failing(429),
    "html": faults.html(200),
    "empty": faults.empty(200),
    "failed": faults.refusing(500, "file d'attente", status=200),
}


@pytest.fixture(autouse=True)
def at_once_again(monkeypatch):
    """A next try comes at once."""
    monkeypatch.setattr(retrying, "_backoff", tenacity.wait_none())


@pytest.fixture
def hook(api):
    return MailPartnerHook()


def listed(api) -> list[str]:
    return [record["email"] for record in api.unsubscribes]


class TestAdd:
    def test_added(self, api, hook):
        """An address is added as given; the outcome has its id."""
        outcome = hook.add_unsubscribe(ADDRESS)

        assert AddOutcome("added", 9007199254740994) == outcome
        assert [*(each["email"] for each in THREE), ADDRESS] == listed(api)

    def test_already(self, api, hook):
        """An address that is on the list stays there, once."""
        assert AddOutcome("already") == hook.add_unsubscribe("anne@example.com")
        assert 3 == len(api.unsubscribes)

    def test_invalid(self, api, hook):
        """What the API takes for no address is invalid, and no error."""
        assert AddOutcome("invalid") == hook.add_unsubscribe("no address")
        assert 3 == len(api.unsubscribes)

    @pytest.mark.parametrize("status", [200, 400, 409, 422])
    @pytest.mark.parametrize(
        ("code", "outcome"), [(3, "already"), ("3", "already"), (9, "invalid")]
    )
    def test_any_status(self, api, hook, status, code, outcome):
        """The code decides, whether the API refuses with HTTP 200 or 4xx."""
        api.script(Answer({"success": False, "code": code, "message": ADDRESS}, status))

        assert outcome == hook.add_unsubscribe(ADDRESS).status
        assert 1 == len(api.asked)

    @pytest.mark.parametrize("shape", [name for name in faults.SHAPES if name != "no code"])
    def test_any_shape(self, api, hook, shape):
        """A refusal is understood in every shape that was seen."""
        api.script(faults.refusing(3, "Mail déjà dans la liste", status=400, shape=shape))

        assert "already" == hook.add_unsubscribe(ADDRESS).status

    @pytest.mark.parametrize(
        ("stop_id", "expected"),
        [(300, 300), ("300", 300), (None, None), ("x", None), (1.5, None), (True, None)],
    )
    def test_id(self, api, hook, stop_id, expected):
        """The id is an integer, or unknown."""
        api.script(Answer({"success": True, "code": 200, "stopId": stop_id}))

        assert AddOutcome("added", expected) == hook.add_unsubscribe(ADDRESS)

    @pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
    def test_lost_answer(self, api, hook, lost):
        """An answer that was lost is asked for again: the address is on the list once."""
        api.script(lost)

        assert AddOutcome("already") == hook.add_unsubscribe(ADDRESS)
        assert [ADD] * 2 == api.asked
        assert 1 == listed(api).count(ADDRESS)

    @pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
    @pytest.mark.parametrize("given", ["anne@example.com", "no address"])
    def test_lost_refusal(self, api, hook, given, lost):
        """So is one that was to say that the address is there already, or invalid."""
        api.script(lost)

        assert hook.add_unsubscribe(given).status in ("already", "invalid")
        assert [ADD] * 2 == api.asked

    def test_wrong_url(self, api, hook):
        """A page of some other server is a refusal: the Base URL is wrong."""
        api.script(faults.html(404))

        with pytest.raises(RequestRefused, match="check the Base URL"):
            hook.add_unsubscribe(ADDRESS)

        assert [ADD] == api.asked

    @pytest.mark.parametrize(
        "answer",
        [
            at_once({"success": False, "code": 3}, 503),
            at_once({"success": False, "code": 9}, 429),
            at_once({"success": True, "code": 3}),
            at_once({"code": 3}),
            at_once({"success": False, "code": 4}),
            at_once([]),
            at_once(b"already"),
        ],
    )
    def test_no_outcome(self, api, hook, answer):
        """What a server in trouble says, or what contradicts itself, is no outcome."""
        api.script(*[answer] * 4)

        with pytest.raises(RequestFailed):
            hook.add_unsubscribe(ADDRESS)

        assert [ADD] * 4 == api.asked

    @pytest.mark.parametrize("code", [1, 10, 20, 30, 40, 96])
    @pytest.mark.parametrize("status", [200, 403])
    def test_refused(self, api, hook, code, status):
        """What asking again cannot mend is asked once."""
        api.script(faults.refusing(code, "non", status=status))

        with pytest.raises(RequestRefused, match=f"code {code}, HTTP {status}, POST /unsubscr"):
            hook.add_unsubscribe(ADDRESS)

        assert [ADD] == api.asked

    def test_not_seen(self, hook):
        """An API that sees no address in the request is an error: the address is not invalid."""
        with pytest.raises(RequestRefused, match="code 2"):
            hook.add_unsubscribe("")

    def test_rate_limit(self, api, hook, monkeypatch):
        """A limit is heeded: the next try waits as long as the answer asks."""
        waits = []
        now = [0.0]
        clock = SimpleNamespace(
            monotonic=lambda: now[0],
            sleep=lambda s: (waits.append(s), now.__setitem__(0, now[0] + s)),
        )
        monkeypatch.setattr(retrying, "time", clock)  # other threads sleep, too
        api.limit = RateLimit(1, clock=lambda: now[0])

        assert "added" == hook.add_unsubscribe(ADDRESS).status
        assert "already" == hook.add_unsubscribe(ADDRESS).status

        assert 60 == pytest.approx(sum(waits))

    def test_one_connection(self, api, hook, monkeypatch):
        """All additions go over one connection."""
        connections = []
        begin = requests.packages.urllib3.connectionpool.HTTPConnectionPool._new_conn
        monkeypatch.setattr(
            requests.packages.urllib3.connectionpool.HTTPConnectionPool,
            "_new_conn",
            lambda pool: connections.append(pool) or begin(pool),
        )

        for number in range(20):
            hook.add_unsubscribe(f"{number}@example.com")

        assert 1 == len(connections)


def plain_outcome(body: bytes, status: int, *, good: str, known: Mapping[str, str]) -> str | None:
    """Return the outcome that an answer has by the documentation; None for an error.

    :param good: the outcome of a call that succeeded
    :param known: the outcomes of refusals, by code
    """
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    code = str(members.get("code", 200))
    if status == 200 and members.get("success") is True and code == "200":
        return good
    refused = status == 200 or (400 <= status < 500 and status not in (408, 429))
    return known.get(code) if members.get("success") is False and refused else None


CODES = st.sampled_from([200, 1, 2, 3, 4, 9, 10, 429, 500, "3", "9", None, True, 3.0, [3]])
ID = 7_190_071_901
SECRETS = (ADDRESS, DEFAULT_KEY, quote_plus(DEFAULT_KEY))
CITED = st.builds("{} {}".format, st.text(max_size=5), st.sampled_from((*SECRETS, str(ID))))
ENVELOPES = st.dictionaries(
    st.sampled_from(["success", "code", "message", "stopId", "x"]),
    st.one_of(CODES, st.booleans(), CITED, st.integers()),
).map(lambda members: json.dumps(members).encode())
LIKELY = st.builds(
    lambda success, code, message: json.dumps(
        {"success": success, "code": code, "message": message}
    ).encode(),
    st.sampled_from([True, False, "true", 1, None]),
    CODES,
    CITED,
)
BODIES = st.one_of(
    LIKELY,
    ENVELOPES,
    st.builds(lambda body, end: body[:end], LIKELY, st.integers(0, 90)),
    st.binary(max_size=40),
)


STATUSES = st.sampled_from([200, 200, 201, 204, 400, 404, 405, 408, 409, 429, 500, 503])
CALLS = {
    "add": (
        lambda hook: hook.add_once(ADDRESS).status,
        {"good": "added", "known": {"3": "already", "9": "invalid"}},
        SECRETS,
    ),
    "delete": (
        lambda hook: "deleted" if hook.delete_once(ID) else "not found",
        {"good": "deleted", "known": {"4": "not found"}},
        (*SECRETS, str(ID)),
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_any_answer(what):
    """Nobody counts as added, there already, invalid, deleted or not found unless the API says so;
    and whatever it says, no key and no address is in an error, and no id that was sent."""
    call, outcomes, secrets = CALLS[what]
    with StandIn() as api, pytest.MonkeyPatch.context() as environment:
        connect(environment, api)
        hook = MailPartnerHook()

        @given(BODIES, STATUSES)
        def check(body, status):
            body = b"" if status == 204 else body
            api.behave()
            api.script(*[Answer(body, status)] * 2)  # a deletion by GET may be repeated by POST
            try:
                outcome = call(hook)
            except MailPartnerError as error:
                outcome = None
                assert not [secret for secret in secrets if secret in f"{error!r}{vars(error)}"]
            assert plain_outcome(body, status, **outcomes) == outcome

        check()


class TestDelete:
    @pytest.mark.parametrize("method", ["GET", "POST", None])
    def test_deleted(self, api, hook, method):
        """A record is deleted by its id, with whichever method the API wants."""
        api.delete_method = method

        assert hook.delete_unsubscribe(19) is True
        assert ["björn@example.com", "Carla@Example.com"] == listed(api)
        assert [DELETE] * (2 if method == "POST" else 1) == api.asked

    def test_not_found(self, api, hook):
        """An id that is not on the list is no error."""
        assert hook.delete_unsubscribe(4) is False
        assert 3 == len(api.unsubscribes)

    @pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
    def test_lost_answer(self, api, hook, lost):
        """An answer that was lost is asked for again: nobody else is deleted."""
        api.script(lost)

        assert hook.delete_unsubscribe(19) is False
        assert ["björn@example.com", "Carla@Example.com"] == listed(api)

    @pytest.mark.parametrize("code", [2, 3, 9])
    def test_other_codes(self, api, hook, code):
        """The vendor's two tables of codes disagree; only code 4 means that there is no such id."""
        api.script(faults.refusing(code, "non", status=400))

        with pytest.raises(RequestRefused, match=f"code {code}"):
            hook.delete_unsubscribe(19)


class TestSecrecy:
    def test_request(self, api, monkeypatch):
        """An addition has key and address in its body, and nothing in its URL; a deletion has the
        key in its query, as every GET."""
        good = wire.http(json.dumps({"success": True, "code": 200}).encode())
        with Wire(good) as odd:
            connect(monkeypatch, api, host=odd.url)
            MailPartnerHook().add_unsubscribe(ADDRESS)
            MailPartnerHook().delete_unsubscribe(19)

        added, deleted = (asked.partition(b"\r\n")[0] for asked in odd.asked)
        assert b"POST /v1/unsubscribe/add HTTP/1.1" == added
        assert deleted.startswith(b"GET /v1/unsubscribe/delete?apiKey=")
        assert deleted.endswith(b"&_format=json&id=19 HTTP/1.1")

    @pytest.mark.parametrize("given", [ADDRESS, "no at sign, Zoe.Secret"])
    def test_error(self, api, hook, given, log):
        """Neither the key nor the address is in a log, an error or the variables of its frames,
        even if the API repeats them and the text does not look like an address."""
        api.script(faults.refusing(7, f"non: {given}, {api.key}", status=200))
        api.script(*[at_once({"success": False, "code": 8, "message": given})] * 3)

        with pytest.raises(RequestFailed, match=r"the API says: \*\*\*") as caught:
            hook.add_unsubscribe(given)

        error: BaseException | None = caught.value
        seen = log()
        own = {__file__}
        while error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True)
            seen += "".join(
                f"{frame.locals}" for frame in frames.stack if frame.filename not in own
            )
            seen += f"{error!r}{vars(error)}"
            error = error.__context__
        assert "Secret" not in seen
        assert api.key not in seen
