"""A push is killed (SIGKILL) at each of its steps, and at each of its questions; pushed again, each
person is on the list once, nobody is lost, and nobody invented."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE
from tests.support.front import Request, killing
from tests.support.landing import land
from tests.support.processes import working
from tests.support.pushing import confirm, journal, opt_outs, push, push_with_journal

WANTED = [f"{n}@x.fr" for n in range(6)]
LOST_AT_MOST = 2  # as many as a part of the journal has here


@pytest.fixture
def given(api, store, tmp_path, forks, temporary):
    """A destination with a list, and a file of opt-outs."""
    land(store)
    return str(opt_outs(tmp_path / "given", [*WANTED, "Anne@example.com", "no address"]))


def check(api, store, given) -> None:
    """The next try asks only for those without an outcome, and ends well."""
    known = {line["email_sha256"] for line in journal(store)}
    answered = [each for each in api.asked if each.endswith("/add")]
    api.asked.clear()

    receipt = push(store, given)

    assert known == {line["email_sha256"] for line in journal(store)[: len(known)]}
    assert len(answered) - len(known) <= LOST_AT_MOST
    assert 7 - len(known) == len(api.asked)
    assert Counter([*(each["email"] for each in THREE), *WANTED]) == Counter(
        each["email"] for each in api.unsubscribes
    )
    counts = [receipt[name] for name in ("distinct", "already_listed", "to_push", "invalid")]
    assert [8, 1, 7, 1] == counts
    assert 6 == receipt["added"] + receipt["already"]
    land(store)
    assert (6, 0) == tuple(confirm(store)[name] for name in ("confirmed", "missing"))


def begin(api, store, before) -> None:
    store.restore(before)
    api.unsubscribes = THREE
    api.behave()
    api.asked.clear()


def test_steps(api, store, given, stride):
    """Before each thing that it does to a file or to the network of this machine."""
    before = store.files()
    for number in count(stride, stride):
        begin(api, store, before)
        with working(
            push_with_journal, store.destination, stand_at=number, source=given
        ) as process:
            if not process.stands():
                assert 0 == process.end()
                return
            process.kill()
            assert -signal.SIGKILL == process.end()
        check(api, store, given)


@pytest.mark.parametrize("when", ["before the effect", "after the effect", "after the answer"])
def test_questions(api, store, given, when):
    """At each question, before the API has done what it asks for, after that, and after its
    answer."""
    before = store.files()
    for number in range(7):
        begin(api, store, before)
        with working(push_with_journal, store.destination, source=given) as process:

            def kill(usual, process=process):
                def pieces():
                    yield usual.whole() if when == "after the answer" else b""
                    process.kill()

                return replace(usual, body=pieces())

            def refuse(process=process):
                process.kill()
                yield b""

            last = Answer(refuse()) if when == "before the effect" else kill
            api.script(*[lambda usual: usual] * number, last)
            assert -signal.SIGKILL == process.end()
        check(api, store, given)


def test_requests(api, bucket, bucket_lake, tmp_path, forks, temporary, stride):
    """At each request to the bucket, before the store has received it, or after it has done so."""
    land(bucket_lake)
    given = str(opt_outs(tmp_path / "given", [*WANTED, "Anne@example.com", "no address"]))
    before = bucket_lake.files()
    for number in count(stride, stride):
        begin(api, bucket_lake, before)
        with working(push_with_journal, bucket_lake.destination, source=given) as process:
            bucket.fault = killing(process, number)
            exit_code = process.end()
        bucket.fault = Request.answer
        if exit_code == 0:
            return
        assert -signal.SIGKILL == exit_code
        check(api, bucket_lake, given)
