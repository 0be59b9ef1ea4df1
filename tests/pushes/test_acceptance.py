"""Ten thousand opt-outs in PostgreSQL reach the list, whatever goes wrong on the way."""

from __future__ import annotations

import json
import random
import signal
from bisect import bisect_left
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from mailpartner_provider.privacy.normal_form import normal_form
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.limits import RateLimit
from tests.support.days import noon
from tests.support.landing import land
from tests.support.postgres import Postgres
from tests.support.processes import working
from tests.support.project import EXAMPLES
from tests.support.pushing import confirm, fast_clock, journal, push, push_fast, quarantine
from tests.support.runs import load, run_by_hand

pytestmark = pytest.mark.engine

PEOPLE = 10_000
PER_MINUTE = 500
BEFORE = [{"id": n, "email": f"Listed{n}@example.com", "createdAt": None} for n in range(1, 2001)]
INVALID = [f"no address {n}" for n in range(40)]

#: What happens to an answer, of an API that has done what was asked, or not.
FAULTS = {
    "reset after the effect": faults.reset(0),
    "cut after the effect": faults.truncated(0.5),
    "500 after the effect": faults.failing(500),
    "HTML after the effect": faults.html(),
    "500 before": Answer(b"", 500),
    "503 before": Answer(b"", 503),
    "429 before": Answer({"success": False, "code": 429, "message": "trop"}, 429),
    "empty before": Answer(b"", 200),
    "failed before": Answer({"success": False, "code": 500, "message": "file"}, 200),
    "reset before": Answer(iter([b"{"]), ending="reset"),
}


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


@pytest.fixture
def table(server, monkeypatch):
    """A table of opt-outs: 10,000 people to add, in odd spellings, and 2,000 who are listed."""
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(server.connection))
    server.query("DROP TABLE IF EXISTS opt_outs")
    new = [f"Person{n}@Example{n % 7}.fr" for n in range(PEOPLE)]
    again = [f" {each.upper()}\t" for each in new[::9]]
    listed = [each["email"].lower() for each in BEFORE]
    rows = [*new, *again, *listed, *INVALID, None, "  "]
    random.Random(18).shuffle(rows)
    server.ingest("opt_outs", pa.table({"email": pa.array(rows, pa.string())}))
    return {normal_form(each) for each in new}, len(rows)


def people(api) -> list[str]:
    return [normal_form(record["email"]) for record in api.unsubscribes]


def without_wait(step):
    """Return the step, after which the next try comes at once."""
    if isinstance(step, Answer):
        return replace(step, headers={"Retry-After": "0"})
    return lambda usual: (lambda made: replace(made, headers={"Retry-After": "0", **made.headers}))(
        step(usual)
    )


def script(draw: random.Random, process, calls: int, kind: str | None):
    """Return the steps of the next calls: some go wrong, and at the last the process is killed."""

    def steps():
        for _ in range(calls):
            if draw.random() < 0.03:
                step = FAULTS[draw.choice(list(FAULTS))]
                if isinstance(step, Answer) and not isinstance(step.body, (bytes, dict)):
                    step = replace(step, body=iter([b"{"]))
                yield without_wait(step)
            else:
                yield lambda usual: usual
        if kind == "before the effect":
            yield Answer(killing(process))
        elif kind == "after the effect":
            yield lambda usual: replace(usual, body=killing(process))
        elif kind == "after the answer":
            yield lambda usual: replace(usual, body=killing(process, usual.whole()))

    return steps()


def killing(process, first: bytes = b""):
    """Send some bytes, and kill the process that receives them."""
    yield first
    process.kill()


CALL_KILLS = ("before the effect", "after the effect", "after the answer")


def test_ten_thousand(api, lake, table, forks, tmp_path, temporary):
    """Pushed under faults, killed at every kind of step and pushed again: each is on the list once,
    none is lost, none invented; the rate is held in every sliding minute by the API's clock; the
    receipt adds up, and the next list confirms it."""
    wanted, rows = table
    draw = random.Random(19)
    api.unsubscribes = BEFORE
    land(lake)
    api.limit = RateLimit(PER_MINUTE, fast_clock)
    arguments = {
        "sql": "SELECT email FROM opt_outs",
        "sql_conn_id": "postgres_default",
        "per_minute": PER_MINUTE,
        "max_added": PEOPLE + len(INVALID),
    }

    dry = push(lake, dry_run=True, **arguments)
    assert [] == api.limit.asked_at
    assert (PEOPLE + len(INVALID), 0, 1205) == (dry["to_push"], dry["added"], dry["seconds"])

    kills = Counter()
    plan = [*CALL_KILLS * 4, *(("step", n) for n in (1, 3, 6, 10, 15, 21))]
    draw.shuffle(plan)
    for kind in plan:
        stand_at = kind[1] if isinstance(kind, tuple) else 0
        with working(push_fast, lake.destination, stand_at=stand_at, **arguments) as process:
            api.behave()
            calls = draw.randrange(1, 600)
            api.script(*script(draw, process, calls, None if stand_at else kind))
            if stand_at and process.stands():
                process.kill()
            kills["step" if stand_at else kind] += process.end() == -signal.SIGKILL
    assert {*CALL_KILLS, "step"} == kills.keys()
    assert kills.total() == len(plan)

    api.behave()
    api.script(*script(draw, None, 5000, None))
    receipt = push_fast(lake, **arguments)

    counted = Counter(people(api))
    assert {1} == set(counted.values())
    assert wanted | {normal_form(each["email"]) for each in BEFORE} == counted.keys()
    assert receipt["given"] == rows
    assert (2, 2000) == (receipt["empty"], receipt["already_listed"])
    assert receipt["distinct"] == receipt["already_listed"] + receipt["to_push"] == 12_040
    assert receipt["to_push"] == receipt["added"] + receipt["already"] + receipt["invalid"]
    assert len(INVALID) == receipt["invalid"] == len(quarantine(lake))
    assert 0 < receipt["resumed"] < receipt["to_push"]
    assert receipt["to_push"] == len({line["email_sha256"] for line in journal(lake)})
    at = api.limit.asked_at
    most = max(bisect_left(at, start + 60) - n for n, start in enumerate(at))
    assert most <= PER_MINUTE
    print(f"\n{len(at)} calls, at most {most} in a minute; {dict(kills)} kills; {receipt}")

    again = push(lake, **arguments)
    assert len(at) == len(api.limit.asked_at)
    assert receipt["added"] == again["added"]
    api.limit = RateLimit()
    land(lake)
    confirmed = confirm(lake)
    assert (1, PEOPLE, 0) == tuple(confirmed[name] for name in ("batches", "confirmed", "missing"))
    assert len(INVALID) == push(lake, run=2, dry_run=True, **arguments)["to_push"]


@pytest.mark.usefixtures("database", "table")
def test_example(api, lake, server, monkeypatch):
    """The example pushes what the table has, lands the list, and confirms."""
    server.query("DELETE FROM opt_outs WHERE email NOT LIKE '%@Example1.fr' OR email IS NULL")
    monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_LAKE", str(lake))
    api.unsubscribes = BEFORE
    dag = load(EXAMPLES / "mailpartner_push_postgres.py")
    land(lake / "pushed" / "unsubscribes")

    run = run_by_hand(dag, noon())

    assert {"success"} == set(run.states.values())
    assert {f"person{n}@example1.fr" for n in range(1, PEOPLE, 7)} < set(people(api))
