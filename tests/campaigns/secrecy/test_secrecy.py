"""No key and no address anywhere: every failure as a task of a real run, and one search."""

from __future__ import annotations

import base64
import html
import json
import re
import resource
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import tenacity
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.compat import BaseOperator
from mailpartner_provider.hooks import download, retrying
from mailpartner_provider.operators.delete_unsubscribes import DeleteUnsubscribesOperator
from mailpartner_provider.operators.push_unsubscribes import PushUnsubscribesOperator
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import DEFAULT_KEY
from tests import HOME, LINEAGE
from tests.support import wire
from tests.support.api import at_once, connect, listing
from tests.support.bad_answers import ANSWERS
from tests.support.bucket import SECRET
from tests.support.dags import dag_of
from tests.support.days import days_ago, midnight, noon, today
from tests.support.front import Fault, Request, refusing
from tests.support.lake import files, partition_name
from tests.support.pushing import AT_ONCE, opt_outs
from tests.support.runs import failures_heard, run_by_hand, run_by_scheduler
from tests.support.sdk import Asset
from tests.support.wire import Wire

MARK = "zq7mark"  # as long as "example", so that lengths that were declared stay right
ADDRESS = f"Anne@{MARK}.com"
KEYS = [DEFAULT_KEY, 'sp ace %25 "quo\'te" <é☃> \\', "plain0key"]
QUOTED_KEY = quote(DEFAULT_KEY, safe="")
CITED = f"for {ADDRESS}, {quote(ADDRESS)}, {DEFAULT_KEY}, ?apiKey={QUOTED_KEY}"

#: A record with addresses where nobody expects them, and one that cannot be a row.
ODD = {"id": 1, "email": ADDRESS, "createdAt": ADDRESS, ADDRESS: {ADDRESS: [ADDRESS, CITED]}}
UNUSABLE = {"id": ADDRESS, "email": ADDRESS, ADDRESS: ADDRESS}
PEOPLE = [{**ODD, "id": number} for number in range(50)]
GOOD = json.dumps(listing(PEOPLE)).encode()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What goes wrong: the API's answer, the connection's fields, the task's arguments.

    :param answer: the answer, or a fault of it, to every try
    :param sent: an answer as it goes over the wire
    :param bucket: what becomes of a request to the bucket
    :param by: the operator
    :param steps: in the place of ``answer``, the answers to one call after the other
    """

    answer: Any = None
    sent: Any = None
    fields: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    bucket: Fault = Request.answer
    by: Callable[..., BaseOperator] = UnsubscribeToParquetOperator
    steps: list[Any] = field(default_factory=list)


def marked(answer: Answer) -> Answer:
    """Mark every address in a bad answer, and put more of them, and the key, beside its body."""
    body = answer.body
    if isinstance(body, bytes):
        body = body.replace(b"example.com", f"{MARK}.com".encode())
    elif not answer.in_pieces:
        body = json.loads(json.dumps(body).replace("example.com", f"{MARK}.com"))
    beside = {"Set-Cookie": f"who={CITED}", "X-Who": CITED, "ETag": CITED, "Server": CITED}
    return replace(answer, body=body, headers={**beside, **answer.headers})


class OnAFullDisk(UnsubscribeToParquetOperator):
    """Lands where no file may grow beyond a megabyte."""

    def execute(self, context: Any) -> Any:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
        try:
            return super().execute(context)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Killed(UnsubscribeToParquetOperator):
    """Is killed while it waits for the end of its answer."""

    def execute(self, context: Any) -> Any:
        threading.Timer(0.3, self.on_kill).start()
        return super().execute(context)


NO_ADDRESS = f"no address, {MARK}"


class Pushes(PushUnsubscribesOperator):
    """Lands the list, and pushes two addresses that are not on it, one of which is none."""

    def __init__(self, *, destination: str, snapshot_date: str, **arguments: Any) -> None:
        given = Path(destination).with_name("given.parquet")
        opt_outs(given, [NO_ADDRESS, f"Zoe@{MARK}.com"])
        arguments = {"source": str(given), "snapshot": destination, **arguments}
        super().__init__(destination=destination, per_minute=AT_ONCE, **arguments)
        self.landing = UnsubscribeToParquetOperator(
            task_id="before", destination=destination, snapshot_date=snapshot_date
        )

    def execute(self, context: Any) -> Any:
        self.landing.execute(context)
        return super().execute(context)


class Deletes(DeleteUnsubscribesOperator):
    """Deletes a record."""

    def __init__(self, *, destination: str, snapshot_date: str, **arguments: Any) -> None:
        ids = Path(destination).with_name("ids.txt")
        ids.parent.mkdir(parents=True, exist_ok=True)
        ids.write_text(arguments.pop("lines", "7"))
        super().__init__(ids=str(ids), dry_run=False, per_minute=AT_ONCE, **arguments)


#: What an API answers to an addition or a deletion, and how its answer gets lost.
SHORT_ANSWERS = {
    "good": None,
    "refused": faults.refusing(10, CITED),
    "failed": faults.refusing(7, CITED, status=200),
    "failed, with the address as it was given": at_once(
        {"success": False, "code": 7, "message": f"{NO_ADDRESS} ({quote_plus(NO_ADDRESS)})"}
    ),
    "invalid": faults.refusing(9, CITED, status=400),
    "not JSON": at_once(CITED.encode()),
    "an address for a code": at_once({"success": False, "code": CITED}),
    "an address for an id": at_once({"success": True, "code": 200, "stopId": CITED}),
    "a kind": at_once(b"x", **{"Content-Type": CITED}),
    "a redirect": faults.redirecting(f"/v1/{ADDRESS}?apiKey={QUOTED_KEY}"),
    "a redirect elsewhere": faults.redirecting(f"http://{ADDRESS}/?apiKey={QUOTED_KEY}", 307),
    "reset": faults.reset(0),
    "truncated": faults.truncated(0.5),
    "html": faults.html(),
    "503": faults.failing(503),
    "429": faults.failing(429),
    "late": faults.late(9),
}
SENDERS = {
    "addition": Failure(by=Pushes, fields={"extra": {"read_timeout": 1}}),
    "deletion": Failure(by=Deletes, fields={"extra": {"read_timeout": 1}}),
}
#: What goes wrong with a push otherwise.
SENDING = {
    "too many": Failure(by=Pushes, arguments={"max_added": 1}),
    "no such column": Failure(by=Pushes, arguments={"column": "mail"}),
    "no such file": Failure(by=Pushes, arguments={"source": "/nowhere"}),
    "no such connection": Failure(
        by=Pushes, arguments={"source": None, "sql": "SELECT 1", "sql_conn_id": "nowhere"}
    ),
    "a wrong query": Failure(
        by=Pushes,
        arguments={"source": None, "sql": "SELECT json(x) FROM (SELECT 'a' AS x)",
                   "sql_conn_id": "crm"},
    ),
    "no id": Failure(by=Deletes, arguments={"lines": ADDRESS}),
}  # fmt: skip

S3 = {"destination": "s3://aws_default@lake/x"}
FAILURES = {
    # Nothing
    "a landing": Failure(),
    "a quarantine": Failure(
        answer=at_once(listing([ODD, UNUSABLE])), arguments={"max_rejected": 1}
    ),
    # On the way
    "late": Failure(answer=faults.late(9), fields={"extra": {"read_timeout": 0.05}}),
    "stalled": Failure(answer=faults.stalled(), fields={"extra": {"read_timeout": 0.05}}),
    "slow": Failure(answer=faults.slow(0, 2000)),
    "in pieces": Failure(answer=faults.in_pieces(100)),
    **{
        f"truncated, {framing}": Failure(answer=faults.truncated(0.5, framing))
        for framing in ("length", "chunked", "close")
    },
    "reset": Failure(answer=faults.reset()),
    "gzipped": Failure(answer=faults.gzipped()),
    "gzipped, no trailer": Failure(answer=faults.gzipped(trailer=False)),
    "gzipped, truncated": Failure(answer=faults.combined(faults.gzipped(), faults.truncated())),
    "bomb": Failure(answer=faults.bomb()),
    "endless": Failure(answer=faults.endless()),
    "no server": Failure(fields={"host": "http://127.0.0.1:9"}),
    "no host": Failure(fields={"host": "https://nowhere.invalid"}),
    "no TLS": Failure(fields={"host": "https://127.0.0.1:{port}"}),
    # Headers
    "a kind": Failure(answer=at_once(b"x", **{"Content-Type": CITED})),
    "the key for a kind": Failure(answer=at_once(b"x", **{"Content-Type": f"text/{QUOTED_KEY}"})),
    "an encoding": Failure(answer=at_once(GOOD, **{"Content-Encoding": CITED})),
    "a length": Failure(sent=wire.http(GOOD, **{"Content-Length": ADDRESS})),
    "a delay": Failure(answer=at_once(b"", 503, **{"Retry-After": CITED, "X-Again": "0"})),
    "a reason": Failure(sent=wire.http(b"", f"403 {CITED}")),
    "a status line": Failure(sent=wire.http(b"", CITED)),
    "no HTTP": Failure(sent=lambda: [CITED.encode()]),
    "broken headers": Failure(sent=wire.http(GOOD, **{"X": f"1\r\n{CITED}\r\nY: 2"})),
    "long headers": Failure(sent=wire.http(GOOD, **{ADDRESS: CITED * 2000})),
    "many headers": Failure(sent=wire.http(GOOD, **{f"{ADDRESS}{n}": CITED for n in range(200)})),
    "broken chunks": Failure(sent=wire.http(CITED.encode(), **{"Transfer-Encoding": "chunked"})),
    # Redirects
    **{
        f"a redirect {whither}": Failure(answer=faults.redirecting(location))
        for whither, location in {
            "within": f"/v1/{ADDRESS}?mail={ADDRESS}&apiKey={QUOTED_KEY}",
            "to the key": f"/v1/{QUOTED_KEY}/{quote(ADDRESS)}",
            "elsewhere": f"http://{ADDRESS}/?apiKey={QUOTED_KEY}",
            "to no port": f"//{ADDRESS}:port/",
            "to no URL": f"http://[{ADDRESS}",
        }.items()
    },
    # The API's answers
    **{
        f"refusing, {shape}": Failure(answer=faults.refusing(10, CITED, shape=shape))
        for shape in faults.SHAPES
    },
    "refusing in XML": Failure(
        answer=faults.combined(faults.refusing(9, CITED, status=200), faults.xml())
    ),
    "a list in XML": Failure(answer=faults.xml()),
    "failing": Failure(answer=faults.failing(500)),
    "html": Failure(answer=faults.html()),
    "empty": Failure(answer=faults.empty()),
    "miscounted": Failure(answer=faults.miscounted()),
    "an address for a code": Failure(answer=at_once({"success": False, "code": CITED})),
    "an address for success": Failure(answer=at_once(listing([ODD], success=CITED))),
    "an address for nbData": Failure(answer=at_once(listing([ODD], nbData=CITED))),
    "an address for a member": Failure(answer=at_once({CITED: CITED, "data": CITED})),
    "an address for a key of data": Failure(answer=at_once(listing({CITED: ODD}))),
    "pages": Failure(answer=at_once(listing(PEOPLE, total=CITED))),
    "unusable records": Failure(answer=at_once(listing([ODD, UNUSABLE, ADDRESS]))),
    "a broken record": Failure(answer=at_once(GOOD.replace(b"}, {", b"} {", 3))),
    "a broken text": Failure(answer=at_once(GOOD.replace(b"createdAt", b"\xff", 3))),
    # The connection and the arguments
    "no key": Failure(fields={"password": ""}),
    "a wrong key": Failure(fields={"password": "wrong0key"}),
    "an address for a host": Failure(fields={"host": f"https://{ADDRESS}/v1"}),
    "a key in the host": Failure(fields={"host": f"https://x.example/?apiKey={QUOTED_KEY}"}),
    "no URL": Failure(fields={"host": f"https://[{ADDRESS}"}),
    "no port": Failure(fields={"host": f"https://x.example:{QUOTED_KEY}"}),
    "an address for seconds": Failure(fields={"extra": {"read_timeout": ADDRESS}}),
    "no connection": Failure(arguments={"mailpartner_conn_id": "nowhere"}),
    "no such day": Failure(arguments={"snapshot_date": "{{ 'today' }}"}),
    "nothing to open": Failure(arguments={"destination": "{{ 'nowhere' }}://lake"}),
    "no folder": Failure(arguments={"destination": "/dev/null/lake"}),
    # The landing
    "killed": Failure(answer=faults.stalled(0.9), by=Killed),
    "a full disk": Failure(
        answer=at_once(listing([ODD, UNUSABLE] * 8000)),
        arguments={"max_rejected": 8000},
        by=OnAFullDisk,
    ),
    "an empty list": Failure(answer=at_once(listing([])), arguments={"on_empty": "fail"}),
    "S3": Failure(answer=at_once(listing([ODD, UNUSABLE])), arguments={**S3, "max_rejected": 1}),
    "S3, refused": Failure(
        arguments=S3, bucket=lambda asked: refusing(f"PUT /lake/x/{partition_name()}")(asked)
    ),
    "S3, no bucket": Failure(arguments={"destination": "s3://aws_default@nowhere/x"}),
    "S3, no server": Failure(arguments={"destination": "s3://gone@lake/x"}),
}

LANDED = {
    "a landing", "a quarantine", "slow", "in pieces", "gzipped", "S3", "broken headers", "a length",
}  # fmt: skip


def unchanged(usual: Answer) -> Answer:
    """Change nothing."""
    return usual


SEARCHED: Counter[str] = Counter()


def written(secret: str) -> set[str]:
    """Write a secret in every way in which it may come to light."""
    texts = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    texts |= {quote(text, safe="") for text in texts}
    texts |= {html.escape(secret), html.escape(secret, quote=False)}
    texts |= {cite(text)[1:-1] for text in texts for cite in (json.dumps, repr, ascii)}
    texts |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in texts}
    raw = secret.encode()
    return texts | {encode(raw).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)}


def found(secrets: list[str], places: dict[str, bytes]) -> list[str]:
    """Return where one of the secrets, or a marked address, is to be seen."""
    forms = {form.encode() for secret in secrets for form in written(secret)}
    return [
        f"{place}: {text[max(0, at - 100) : at + 100]!r}"
        for place, text in places.items()
        for lowered in [text.lower()]
        for form in [*forms, MARK.encode()]
        if (at := (lowered if form == MARK.encode() else text).find(form)) >= 0
    ]


def shown(error: BaseException) -> Iterator[str]:
    """Show an error, with the variables of its frames, and whatever stands behind it."""
    chain = [error]
    for each in chain:
        yield f"{each} {each!r} {vars(each)}"
        yield from traceback.TracebackException.from_exception(each, capture_locals=True).format()
        chain += [more for more in (each.__cause__, each.__context__) if more and more not in chain]


@pytest.fixture
def api(mailpartner_api, monkeypatch):
    """The API with marked addresses; a next try comes at once."""
    mailpartner_api.unsubscribes = PEOPLE
    monkeypatch.setattr(retrying, "_backoff", tenacity.wait_none())
    monkeypatch.setattr(download, "MAX_ANSWER_BYTES", 2**23)
    once = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    gone = {"conn_type": "aws", "login": "me", "password": SECRET, "extra": once}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps(gone))
    return mailpartner_api


@pytest.fixture
def search(database, api, bucket, lake, log, monkeypatch):
    """A function that runs a task that fails, and searches what it logs, raises and publishes."""

    def search(failure: Failure) -> str:
        errors: list[str] = []
        task = failure.by(
            task_id="land",
            outlets=[Asset("lake://secrecy")],
            **{"destination": str(lake), "snapshot_date": str(today()), **failure.arguments},
        )
        api.script(*failure.steps, *[failure.answer] * 4 if failure.answer else [])
        bucket.fault = failure.bucket
        with Wire(failure.sent) as odd:
            port = api.url.split(":")[2].partition("/")[0]
            host = failure.fields.get("host", odd.url if failure.sent else api.url)
            connect(monkeypatch, api, **{**failure.fields, "host": host.replace("{port}", port)})
            with failures_heard(lambda error: errors.extend(shown(error))):
                run = run_by_hand(dag_of(task), noon())

        left = {**lake.files(), **bucket}
        places = {
            "errors": "".join(errors).encode(),
            "log": log().encode(),
            "names": "".join(left).encode(),
            "receipts": b"".join(
                left[name] for name in left if "_receipts/" in name or "_pushes/" in name
            ),
        }
        SEARCHED.update(failures=1, places=len(places), bytes=sum(map(len, places.values())))
        assert [] == found([api.key, SECRET], places)
        assert bool(errors) == (run.states["land"] == "failed")
        return run.states["land"]

    return search


@pytest.mark.parametrize("what", FAILURES)
def test_failure(search, what):
    """Neither the key nor an address is to be seen, whatever goes wrong."""
    landed = search(FAILURES[what]) == "success"

    assert landed == (what in LANDED)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("what", SHORT_ANSWERS)
def test_sent(api, search, what, sender):
    """Neither the key nor an address is to be seen when one is sent, whatever the answer is."""
    answer = SHORT_ANSWERS[what]
    first = [unchanged] if sender == "addition" else []
    steps = [*first, *[answer] * 8] if answer else []

    search(replace(SENDERS[sender], steps=steps))

    assert any("unsubscribe/add" in each or "unsubscribe/delete" in each for each in api.asked)


@pytest.mark.parametrize("what", SENDING)
def test_not_sent(api, search, monkeypatch, what):
    """Neither the key nor an address is to be seen when a push does not come about."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps({"conn_type": "sqlite", "host": ":memory:"}))

    assert "failed" == search(SENDING[what])


@pytest.mark.parametrize("what", ANSWERS)
def test_bad_answer(search, what):
    """Neither the key nor an address is to be seen, however bad an answer is."""
    assert "failed" == search(Failure(answer=marked(ANSWERS[what][0])))


@pytest.mark.parametrize("key", KEYS[1:], ids=["odd", "plain"])
def test_other_keys(api, search, key):
    """No key is to be seen, whichever characters it has."""
    api.key = key
    for form in (key, quote(key, safe=""), html.escape(key), json.dumps(key)):
        search(Failure(answer=faults.refusing(10, f"no {form}")))
    search(Failure(sent=wire.http(GOOD, **{"X": f"1\r\n{quote(key)}\r\nY: 2"})))
    search(Failure(fields={"host": "http://127.0.0.1:9"}))


@pytest.mark.usefixtures("database")
def test_at_rest(api, lake, log, capfd):
    """Neither the key nor an address is to be seen below Airflow's home, after all those runs and
    those of the scheduler: metadata database, XCom, asset events, log files, lineage."""
    errors: list[str] = []
    tasks = [
        UnsubscribeToParquetOperator(
            task_id=name,
            destination=str(lake / name),
            snapshot_date=str(today()),
            outlets=[Asset("lake://secrecy")],
            trigger_rule="all_done",
        )
        for name in ("refused", "failed", "unusable", "landed")
    ]
    api.script(faults.refusing(10, CITED), *[faults.truncated()] * 4)
    api.script(Answer(listing([ODD, UNUSABLE])))

    nightly = CronTriggerTimetable("0 0 * * *", timezone="Europe/Paris")
    with failures_heard(lambda error: errors.extend(shown(error))):
        (run,) = run_by_scheduler(dag_of(*tasks, schedule=nightly, due=midnight(days_ago(5))))

    kept = {name: text for name, text in files(HOME).items() if name != "airflow.cfg"}
    SEARCHED.update(failures=4, places=len(kept) + 2, bytes=sum(map(len, kept.values())))
    assert ["failed"] * 3 + ["success"] == [run.states[task.task_id] for task in tasks]
    assert b'"eventType": "FAIL"' in LINEAGE.read_bytes()
    receipt = json.loads(lake.files()[f"landed/_receipts/dt={today()}.json"])
    assert receipt["sha256"].encode() in kept["airflow.db"] + kept.get("airflow.db-wal", b"")
    places = {"errors": "".join(errors).encode(), "log": log().encode(), **kept}
    assert [] == found([api.key, SECRET], places)
    with capfd.disabled():
        print(
            "\nSearched {bytes:,} bytes in {places} places after {failures} runs.".format(
                **SEARCHED
            )
        )


@pytest.mark.parametrize("key", KEYS)
def test_search(key):
    """The search finds a key in every form, an address in every case, and both in variables."""

    def fail(text: str) -> None:
        raise ValueError

    for form in written(key):
        assert found([key], {"here": f"x{form}x".encode()})
        with pytest.raises(ValueError) as caught:
            fail(form)
        assert found([key], {"error": "".join(shown(caught.value)).encode()})
    assert found([], {"here": quote(ADDRESS).upper().encode()})
    assert not found([key], {"here": b"nothing"})
