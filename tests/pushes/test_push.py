"""Opt-outs that were collected elsewhere are added to the list, once."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import partial

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.retention import remove_old_pushes
from mailpartner_provider.testing import faults
from tests.support.api import THREE, at_once, connect
from tests.support.days import today
from tests.support.killed import kill
from tests.support.landing import land
from tests.support.processes import working
from tests.support.pushing import (
    journal,
    opt_outs,
    push,
    push_with_journal,
    pushing,
    quarantine,
    run_of,
)

ADD = "/v1/unsubscribe/add"
GIVEN = [
    "zoe@example.com",
    "Anne@Example.com",
    " Zoe@example.com ",
    "no address",
    None,
    " ",
    "x@y.fr",
]


def hash_of(normal_form: str) -> str:
    return hashlib.sha256(normal_form.encode()).hexdigest()


def listed(api) -> list[str]:
    return [record["email"] for record in api.unsubscribes]


@pytest.fixture
def landed(api, store):
    """A destination with today's list of three people."""
    land(store)
    api.asked.clear()
    return store


@pytest.fixture
def source(tmp_path):
    """A file of opt-outs: two people not on the list, one who is, one without an address."""
    return opt_outs(tmp_path / "given.parquet", GIVEN)


def test_pushed(api, landed, source):
    """Whoever is not on the snapshot is added, once, in whatever case and white space."""
    receipt = push(landed, source)

    assert ["Zoe@example.com", "x@y.fr"] == listed(api)[3:]
    assert [ADD] * 3 == api.asked
    counts = {name: receipt[name] for name in ("given", "empty", "distinct", "already_listed")}
    assert {"given": 7, "empty": 2, "distinct": 4, "already_listed": 1} == counts
    outcomes = {name: receipt[name] for name in ("to_push", "added", "already", "invalid")}
    assert {"to_push": 3, "added": 2, "already": 0, "invalid": 1} == outcomes
    assert receipt in [
        json.loads(text)
        for name, text in landed.files().items()
        if name.startswith("_pushes") and name.endswith(".json")
    ]


def test_journal(landed, source):
    """The journal has each outcome by hash, and the quarantine those that are invalid."""
    push(landed, source)

    outcomes = {line["email_sha256"]: (line["outcome"], line["id"]) for line in journal(landed)}
    first = THREE[-1]["id"] + 1
    assert {
        hash_of("zoe@example.com"): ("added", first),
        hash_of("x@y.fr"): ("added", first + 1),
        hash_of("no address"): ("invalid", None),
    } == outcomes
    assert [hash_of("no address")] == [line["email_sha256"] for line in quarantine(landed)]
    assert ["code 9" in line["reason"] for line in quarantine(landed)] == [True]


def test_again(api, landed, source):
    """Another try of the run asks for nobody, and leaves everything as it is."""
    receipt = push(landed, source)
    before, list_before = landed.files(), listed(api)
    api.asked.clear()

    again = push(landed, source)

    assert [] == api.asked
    assert list_before == listed(api)
    same = {**again, "resumed": 0, "seconds": receipt["seconds"]}
    assert receipt == same
    assert before.keys() == landed.files().keys()


def test_next_run(api, landed, source):
    """The next run asks again for whoever is not on the snapshot yet, and finds them there."""
    push(landed, source)

    receipt = push(landed, source, run=2)

    assert (0, 2, 1) == (receipt["added"], receipt["already"], receipt["invalid"])


def test_after_landing(api, landed, source):
    """Once the next list has landed, nobody but the invalid one is asked for."""
    push(landed, source)
    land(landed)

    receipt = push(landed, source, run=2)

    assert (3, 0, 0, 1) == tuple(
        receipt[name] for name in ("already_listed", "added", "already", "invalid")
    )


def test_dry_run(api, landed, source):
    """A dry run counts and estimates; it asks the API for nothing and leaves nothing behind."""
    before = landed.files()

    receipt = push(landed, source, dry_run="True", per_minute=2)

    assert (True, 3, 0, 90) == tuple(
        receipt[name] for name in ("dry_run", "to_push", "added", "seconds")
    )
    assert [] == api.asked
    assert before == landed.files()


@pytest.mark.parametrize("max_added", [2, "2"])
def test_max_added(api, landed, source, max_added):
    """More people than max_added fail the task before anybody is asked for."""
    with pytest.raises(BadData, match="3 of 4 people would be added, more than max_added=2"):
        push(landed, source, max_added=max_added)

    assert [] == api.asked


def test_max_added_of_batch(api, landed, tmp_path):
    """max_added counts all tries of a run."""
    push(landed, opt_outs(tmp_path / "one", ["a@x.fr", "b@x.fr"]), max_added=2)

    with pytest.raises(BadData, match="3 of 3 people"):
        push(landed, opt_outs(tmp_path / "two", ["b@x.fr", "c@x.fr"]), max_added=2)


def test_failed_and_resumed(api, landed, source):
    """A push that fails writes what it knows; the next try asks for the others only."""
    api.script(*[at_once({"success": True, "code": 200, "stopId": 7})], *[at_once(b"", 503)] * 4)
    with pytest.raises(RequestFailed):
        push(landed, source)
    assert 1 == len(journal(landed))
    api.asked.clear()

    receipt = push(landed, source)

    assert [ADD] * 2 == api.asked
    assert (1, 2, 3) == (receipt["resumed"], receipt["added"], len(journal(landed)))


def test_refused(api, landed, source):
    """A refusal ends the task, for which Airflow will not retry."""
    api.script(faults.refusing(30, "bloqué"))

    with pytest.raises(AirflowFailException, match="blocked"):
        push(landed, source)


def test_lost_answer(api, landed, source):
    """An answer that is lost after the effect is asked for again: the person is there once."""
    api.script(faults.reset(0))

    receipt = push(landed, source)

    assert (1, 1, 1) == (receipt["added"], receipt["already"], receipt["invalid"])
    assert len(set(listed(api))) == len(listed(api))


class TestSnapshot:
    def test_none(self, store, source, api):
        """Without a snapshot nobody is asked for."""
        with pytest.raises(BadData, match="no live snapshot to compare with: land the list first"):
            push(store, source)

        assert [] == api.asked

    @pytest.mark.parametrize("email_mode", ["plain", "sha256", "hmac"])
    @pytest.mark.parametrize("partition_by", ["snapshot", "created"])
    def test_modes(self, api, lake, source, monkeypatch, email_mode, partition_by):
        """Who is on the list is found by hash in every layout and mode with addresses."""
        connect(monkeypatch, api, extra={"email_hmac_key": "k"})
        land(lake, email_mode=email_mode, partition_by=partition_by)

        receipt = push(lake, source)

        assert (1, 2, 1) == (receipt["already_listed"], receipt["added"], receipt["invalid"])
        name = "email_hmac" if email_mode == "hmac" else "email_sha256"
        assert {True} == {name in line for line in [*journal(lake), *quarantine(lake)]}

    def test_drop(self, api, lake, source):
        """Nobody can be looked up where addresses were dropped."""
        land(lake, email_mode="drop")

        with pytest.raises(AirflowFailException, match="email_mode='drop', so nobody"):
            push(lake, source)

    def test_other_account(self, api, landed, source, monkeypatch):
        """The list of another account is refused."""
        connect(monkeypatch, api, conn_id="hats")

        with pytest.raises(AirflowFailException, match="of the connection 'mailpartner_default'"):
            push(landed, source, mailpartner_conn_id="hats")

    def test_damaged(self, api, lake, source):
        """A snapshot that is not what its receipt declares is not compared with."""
        land(lake)
        lake.partition().write_bytes(b"x")

        with pytest.raises(RequestFailed, match="not what its receipt declares"):
            push(lake, source)

    def test_changes(self, api, lake, feed, source):
        """A folder with no list in it is refused."""
        with pytest.raises(BadData, match="no live snapshot"):
            push(lake, source, snapshot=str(feed))


def test_kill(api, landed, tmp_path):
    """A task that is stopped writes what it knows, and the next try goes on from there."""
    source = opt_outs(tmp_path / "many", [f"{n}@x.fr" for n in range(20)])
    task = pushing(landed, source)

    def stopping(answer):
        task.on_kill()
        return answer

    api.script(*[lambda answer: answer] * 7, stopping)
    with pytest.raises(Exception, match="stopped"):
        task.execute(run_of())
    known = len(journal(landed))
    assert 7 <= known <= 8

    receipt = push(landed, source)

    assert (20, known) == (receipt["added"] + receipt["already"], receipt["resumed"])
    assert 23 == len(set(listed(api))) == len(listed(api))


def test_conflict(api, landed, source, forks):
    """Of two tasks that push the same batch, one fails: it never replaces the other's journal."""

    def after_another(answer):
        with working(push, landed.destination, source=source) as another:
            assert 0 == another.end()
        return answer

    api.script(after_another)
    with pytest.raises(RequestFailed, match="changed by another|replaced by another"):
        push(landed, source)

    assert 3 == len(journal(landed))


def test_lost_part(landed, source):
    """The next try writes the people of a deleted part of the journal after the other parts."""
    push_with_journal(landed, source=source)
    part = next(name for name in sorted(landed.files()) if name.endswith("00001.jsonl"))
    landed.restore({name: each for name, each in landed.files().items() if name != part})

    receipt = push_with_journal(landed, source=source)

    assert (1, 1, 1) == tuple(receipt[name] for name in ("resumed", "already", "invalid"))
    assert 3 == len(journal(landed))


def test_keep_days_killed(api, lake, source):
    """A removal that is killed leaves no receipt without its journal."""
    land(lake)
    push(lake, source)
    later = today() + timedelta(days=9)

    kill(partial(remove_old_pushes, newest=later, keep_days=7), lake.folder, 1)

    assert ["jsonl"] * 2 == [name.split(".")[-1] for name in lake.files() if "_pushes" in name]
    remove_old_pushes(LocalFolder(lake.folder), later, 7)
    assert not [name for name in lake.files() if "_pushes" in name]


def test_keep_days(api, lake, source):
    """Journals, receipts and quarantines that are too old are removed, and nothing else."""
    land(lake)
    push(lake, source)
    old = {
        name.replace(name.split("dt=")[1][:10], "2020-01-01"): content
        for name, content in lake.files().items()
        if name.startswith("_pushes/")
    }
    before = lake.files()
    lake.restore({**before, **old, "_pushes/dt=2020-01-01.notes": b"", "_pushes_x/dt=2020": b""})

    push(lake, source, run=2, keep_days=30)

    left = {name for name in lake.files() if "2020" in name}
    assert {"_pushes/dt=2020-01-01.notes", "_pushes_x/dt=2020"} == left
    assert before.keys() < lake.files().keys()


def test_receipt(landed, source):
    """The receipt is flat, and names nobody."""
    receipt = push(landed, source)

    text = json.dumps(receipt)
    assert "@" not in text
    assert hash_of("zoe@example.com") not in text
    assert all(isinstance(value, str | int | float | None) for value in receipt.values())
