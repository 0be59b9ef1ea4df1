"""The list that is landed next proves that everybody who was pushed is on it."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from operator import itemgetter

import pytest
import time_machine

from mailpartner_provider.errors import BadData, Conflict
from tests.support.api import connect
from tests.support.days import days_ago, midnight, today, yesterday
from tests.support.lake import partition_name, receipt_name
from tests.support.landing import land
from tests.support.pushing import confirm, opt_outs, push

GIVEN = ["zoe@example.com", "Anne@Example.com", "no address", "x@y.fr"]


@pytest.fixture
def source(tmp_path):
    return opt_outs(tmp_path / "given.parquet", GIVEN)


@pytest.fixture
def pushed(api, store, source):
    """A destination with today's list, and with two people who were pushed since."""
    land(store)
    push(store, source)
    return store


def counts(receipt) -> tuple[int, ...]:
    return tuple(receipt[name] for name in ("batches", "waiting", "people", "confirmed", "missing"))


def test_too_early(pushed):
    """A list that is older than the push says nothing about it."""
    assert (0, 1, 0, 0, 0) == counts(confirm(pushed))


def test_confirmed(pushed):
    """Whoever was added is on the next list; those that are invalid cannot be."""
    land(pushed)

    assert (1, 0, 2, 2, 0) == counts(confirm(pushed))


def test_list_of_the_future(pushed, api):
    """A list that a wrong clock dated a year ahead confirms nothing, and everybody is pushed."""
    store, future = pushed, days_ago(-365)
    content = store.files()
    for name_of in (partition_name, receipt_name):
        dated = content[name_of()].replace(
            b'"%s"' % str(today()).encode(), b'"%s"' % str(future).encode()
        )
        content[name_of(future)] = dated
    store.restore(content)
    land(store)

    receipt = confirm(store)

    assert (1, 0, 2, 2, 0) == counts(receipt)
    assert str(today()) == receipt["snapshot_date"]


def test_once(pushed, api):
    """What was confirmed stays so, even if somebody is taken off the list later."""
    land(pushed)
    confirm(pushed)
    api.unsubscribes = api.unsubscribes[:3]
    land(pushed)

    assert (0, 0, 0, 0, 0) == counts(confirm(pushed))


def test_several_batches(pushed, tmp_path):
    """Every batch that was not confirmed yet is looked up, people who were there already too."""
    push(pushed, opt_outs(tmp_path / "more", ["zoe@example.com", "new@y.fr"]), run=2)
    land(pushed)
    confirm(pushed)
    push(pushed, opt_outs(tmp_path / "last", ["last@y.fr"]), run=3)
    land(pushed)

    assert (1, 0, 1, 1, 0) == counts(confirm(pushed))
    records = [
        json.loads(text) for name, text in pushed.files().items() if name.endswith("confirmed.json")
    ]
    assert [1, 2, 2] == sorted(record["confirmed"] for record in records)


def test_missing(pushed, api, source):
    """Whoever is missing fails the task, as often as it runs, until they are there."""
    api.unsubscribes = [each for each in api.unsubscribes if each["email"] != "x@y.fr"]
    land(pushed)
    for _ in range(2):
        with pytest.raises(BadData, match="1 of 2 people who were pushed are not on the list of"):
            confirm(pushed)

    push(pushed, source, run=2)
    land(pushed)

    assert (2, 0, 3, 3, 0) == counts(confirm(pushed))


@pytest.mark.parametrize("max_missing", [1, "1"])
def test_max_missing(pushed, api, max_missing):
    """So many may be missing; the batch is settled with that."""
    api.remove(api.unsubscribes[-1]["id"])
    land(pushed)

    assert (1, 0, 2, 1, 1) == counts(confirm(pushed, max_missing=max_missing))
    assert (0, 0, 0, 0, 0) == counts(confirm(pushed))


@pytest.mark.parametrize("email_mode", ["sha256", "hmac"])
def test_modes(api, lake, source, tmp_path, monkeypatch, email_mode):
    """People are found by hash in every mode with addresses, also where the hash of the snapshot
    is not of the normal form."""
    connect(monkeypatch, api, extra={"email_hmac_key": "k"})
    land(lake, email_mode=email_mode)
    push(lake, opt_outs(tmp_path / "odd", ["İpek@example.com", "ζῷς@example.com"]))
    land(lake, email_mode=email_mode)

    assert (1, 0, 2, 2, 0) == counts(confirm(lake))


def test_unfinished(api, lake, source):
    """A batch whose push has failed is not confirmed, but its next try is."""
    land(lake)
    api.script(*[lambda answer: answer] * 2)
    with pytest.raises(BadData):
        push(lake, source, max_added=1)
    land(lake)

    assert (0, 0, 0, 0, 0) == counts(confirm(lake))


def test_damaged_receipt(pushed):
    """A receipt that cannot be read is an error that names it."""
    (name,) = (each for each in pushed.files() if each.endswith(".json") and "_pushes" in each)
    land(pushed)
    pushed.restore({**pushed.files(), name: b"{}"})

    with pytest.raises(BadData, match="is no receipt of a push: restore it"):
        confirm(pushed)


def test_damaged_journal(pushed):
    """A journal that cannot be read is an error without a line of it."""
    (name,) = (each for each in pushed.files() if each.endswith("00001.jsonl"))
    land(pushed)
    pushed.restore({**pushed.files(), name: b"anne@example.com\n"})

    with pytest.raises(BadData, match="is no journal of email_sha256") as caught:
        confirm(pushed)

    assert "anne" not in str(caught.value)
    assert caught.value.__context__ is None


def test_lost_journal(pushed):
    """A batch whose journal has lost people is not confirmed: the error names its receipt."""
    land(pushed)
    left = {name: each for name, each in pushed.files().items() if "00001.jsonl" not in name}
    pushed.restore(left)

    with pytest.raises(BadData, match=r"[0-9a-f]\.json declares 2 people, and its journal has 0"):
        confirm(pushed)

    assert left == pushed.files()


@pytest.mark.parametrize(
    "odd", [{"outcome": "x"}, {"outcome": ["added"]}, {"at": 5}, {"at": None}, {"at": "soon"}]
)
def test_odd_outcome(pushed, source, odd):
    """A journal with an outcome that there is not is an error, for the next push, too."""
    (name,) = (each for each in pushed.files() if each.endswith("00001.jsonl"))
    first, *others = pushed.files()[name].splitlines()
    lines = [json.dumps(json.loads(first) | odd).encode(), *others]
    land(pushed)
    pushed.restore({**pushed.files(), name: b"\n".join(lines)})

    for work in (confirm, partial(push, source=source)):
        with pytest.raises(BadData, match="is no journal of email_sha256"):
            work(pushed)


@pytest.mark.parametrize("kept", [0, 1])
def test_partitions_in_the_midst(api, lake, source, kept):
    """While partitions by day of opt-out are replaced, nobody counts as missing."""
    land(lake, partition_by="created")
    push(lake, source)
    land(lake, partition_by="created")
    index = json.loads(lake.files()["_partitions.json"])
    some = dict(list(index.items())[:kept])
    lake.restore({**lake.files(), "_partitions.json": json.dumps(some).encode()})

    with pytest.raises(Conflict, match="_partitions.json is not what its receipt declares"):
        confirm(lake)


def test_backdated_partitions(api, lake, source):
    """Partitions that were landed late, for a day after the last live list, are read."""
    with time_machine.travel(midnight(days_ago(2)) + timedelta(hours=12)):
        assert "live" == land(lake, partition_by="created")["status"]
    assert "backdated" == land(lake, yesterday(), partition_by="created")["status"]

    assert (1, 2) == itemgetter("already_listed", "added")(push(lake, source))
    assert (0, 1, 0, 0, 0) == counts(confirm(lake))
