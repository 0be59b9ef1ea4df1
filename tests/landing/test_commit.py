"""How anything in a destination changes: in order, only as planned, and never what may be stale."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace

import pytest
import time_machine

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, Conflict
from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.api import THREE, connect, listing
from tests.support.changes import compare
from tests.support.days import PARIS, days_ago, midnight, today, tomorrow, yesterday
from tests.support.front import Request, refusing
from tests.support.killed import kill
from tests.support.lake import (
    BucketLake,
    Lake,
    files,
    partition_name,
    quarantine_name,
    receipt_name,
)
from tests.support.landing import land, operator
from tests.support.waiting import wait_until

LAYOUTS = ["snapshot", "created"]


def stream_of(records, observed_at=None):
    """Return an answer with these records."""
    body = json.dumps(listing(records)).encode()
    return UnsubscribeStream([body], PARIS, observed_at=observed_at or datetime.now(timezone.utc))


def request_for(store, **arguments):
    """Return the parameters of a landing of today that no limit stops."""
    limits = Limits(max_shrink=None)
    return SnapshotRequest(today(), PARIS, open_destination(str(store)), limits, **arguments)


def land_beside(store, records, partition_by="snapshot", before=lambda: None):
    """Land today's list without Airflow; ``before`` is called once the list is staged."""
    request = request_for(store, partition_by=partition_by)
    return land_snapshot(
        request, today(), lambda: stream_of(records), lambda _: before(), lambda: None
    )


def visible(store):
    """Read everything but the scratch space of a landing under way."""
    return {name: each for name, each in store.files().items() if not name.startswith(".")}


class TestAnotherLanding:
    """A landing that meets another one writes nothing more."""

    @pytest.mark.parametrize("partition_by", LAYOUTS)
    def test_in_between(self, store, partition_by):
        """What another landing published since the plan stays as it is."""
        land_beside(store, THREE[:1], partition_by)
        after_the_other = {}

        def other():
            land_beside(store, THREE, partition_by)
            after_the_other.update(visible(store))

        with pytest.raises(Conflict, match="has just been changed|replaced"):
            land_beside(store, THREE[1:], partition_by, before=other)

        assert after_the_other == visible(store)

    @pytest.mark.parametrize("partition_by", LAYOUTS)
    def test_first_of_a_day(self, store, partition_by):
        """The same holds where there was nothing before."""
        with pytest.raises(Conflict):
            land_beside(
                store,
                THREE[1:],
                partition_by,
                before=lambda: land_beside(store, THREE, partition_by),
            )

        assert 3 == store.receipt()["rows"]

    @pytest.mark.parametrize("partition_by", LAYOUTS)
    def test_erasure(self, store, partition_by):
        """An erasure during the answer is noticed before anything is published."""
        land_beside(store, THREE[:1], partition_by)
        erased = {"_erased.jsonl": b'{"token": "x", "erased_at": "y"}\n'}
        after_erasure = {**store.files(), **erased}

        def erase():
            if isinstance(store, BucketLake):
                store.bucket[f"{store.root}/_erased.jsonl"] = erased["_erased.jsonl"]
            else:
                (store / "_erased.jsonl").write_bytes(erased["_erased.jsonl"])

        with pytest.raises(Conflict, match="_erased.jsonl has just been changed"):
            land_beside(store, THREE, partition_by, before=erase)

        assert after_erasure == visible(store)

    def test_again(self, api, store):
        """The task plans and lands again, so that the newest answer is the one that is kept."""
        task = operator(store)
        others = [lambda: land_beside(store, THREE[:1])]

        def heartbeat():
            if others:
                others.pop()()

        task.hook.raise_if_stopped = heartbeat
        receipt = task.execute({})

        assert 3 == receipt["rows"] == store.receipt()["rows"]
        assert 2 == api.asked.count(api.asked[0])


class TestNewestAnswer:
    """A landing whose answer is older than the landed one keeps what is landed."""

    @pytest.mark.parametrize("partition_by", LAYOUTS)
    def test_older(self, store, partition_by, log):
        land_beside(store, THREE, partition_by)
        before = store.files()
        late = datetime.now(timezone.utc) - timedelta(seconds=30)

        receipt = land_snapshot(
            request_for(store, partition_by=partition_by),
            today(),
            lambda: stream_of(THREE[:1], late),
            lambda _: None,
        )

        assert before == store.files()
        assert (3, False) == (receipt.rows, receipt.changed)
        assert "is newer than this one" in log()

    def test_not_received(self, api, lake):
        """An answer that is not landed is not received to its end: its connection is closed."""
        land_beside(lake, THREE)
        receipt = lake.receipt() | {"observed_at": "2100-01-01T00:00:00Z"}
        lake.receipt_path().write_text(json.dumps(receipt))
        api.unsubscribes = THREE * 100_000  # more than the queue of the download holds

        assert 3 == land(lake)["rows"]
        wait_until(
            lambda: "mailpartner-download" not in {each.name for each in threading.enumerate()}
        )

    def test_live(self, api, lake):
        """A live answer replaces a backdated one that began after it: it alone shows the day."""
        land_beside(lake, THREE[:1])
        receipt = lake.receipt() | {"status": "backdated", "observed_at": "2100-01-01T00:00:00Z"}
        lake.receipt_path().write_text(json.dumps(receipt))

        assert 3 == land(lake, max_shrink=None)["rows"]


class TestOnlyLiveCopy:
    """A backfill replaces no snapshot that may be live, unless a receipt says what it is."""

    @pytest.fixture
    def landed(self, api, store):
        with time_machine.travel(midnight(yesterday()) + timedelta(hours=12)):
            assert "live" == land(store)["status"]
        return store

    def replace(self, store, name, content):
        store.restore({**store.files(), name: content})

    def test_no_receipt(self, landed):
        """A live landing that failed before its receipt is not replaced after midnight: the error
        says what to do."""
        content = landed.files()
        del content[receipt_name(yesterday())]
        landed.restore(content)

        with pytest.raises(BadData, match="may be the only live copy .* move the partition elsewh"):
            land(landed, yesterday())

        assert content == landed.files()
        del content[partition_name(yesterday())]
        landed.restore(content)
        assert "backdated" == land(landed, yesterday())["status"]

    @pytest.mark.parametrize("text", [b"", b"{", b"null", b'{"rows": 3}'])
    def test_damaged_receipt(self, landed, text):
        self.replace(landed, receipt_name(yesterday()), text)
        before = landed.files()

        with pytest.raises(BadData, match="has no readable receipt"):
            land_past(open_destination(str(landed)), "snapshot")

        assert before == landed.files()

    def test_another_file(self, landed):
        other = landed.files()[partition_name(yesterday())] + b"\0"
        self.replace(landed, partition_name(yesterday()), other)
        before = landed.files()

        with pytest.raises(BadData, match="does not match its receipt .* only live copy"):
            land_past(open_destination(str(landed)), "snapshot")

        assert before == landed.files()

    def test_backdated(self, api, store):
        """A backdated snapshot is replaced by another one."""
        land(store, yesterday())
        api.unsubscribes = THREE[:2]

        assert land(store, yesterday())["changed"]
        assert 2 == store.receipt(yesterday())["rows"]

    def test_on_its_day(self, api, landed, log):
        """On its own day whatever does not match is landed again, and never called unchanged."""
        land(landed)
        content = landed.files()
        self.replace(landed, partition_name(), content[partition_name()] + b"\0")

        assert land(landed)["changed"]
        assert content[partition_name()] == landed.files()[partition_name()]
        assert "does not match its receipt: landing it again" in log()


class TestBackfillWithoutReceipt:
    """The partition of a backfill says itself that it is backdated, and may be replaced."""

    @pytest.fixture(params=LAYOUTS)
    def left(self, request, api, store):
        """What a backfill left that was killed, or refused, before its receipt."""
        if isinstance(store, BucketLake):
            store.bucket.fault = refusing(f"PUT /lake/{store.receipt_path(yesterday())}")
            with pytest.raises(OSError, match="Access Denied"):
                land(store, yesterday(), partition_by=request.param)
            store.bucket.fault = Request.answer
        else:
            steps = {"snapshot": 1, "created": 5}[request.param]
            kill(partial(land_past, partition_by=request.param), store.folder, steps)
        assert receipt_name(yesterday()) not in store.files()
        return partial(land, store, yesterday(), partition_by=request.param)

    def test_again(self, left, store):
        """The next try lands the day."""
        receipt = left()

        assert ("backdated", 3) == (receipt["status"], receipt["rows"])
        assert receipt == store.receipt(yesterday())
        assert not left()["changed"]

    def test_erasure_in_between(self, api, bucket_lake):
        """In a bucket, a backfill during which somebody is erased lands again."""
        bucket, partition = bucket_lake.bucket, bucket_lake.partition(yesterday())
        erased = f"{bucket_lake.root}/_erased.jsonl"

        def fault(request):
            if request.asked == f"PUT /lake/{partition}" and erased not in bucket:
                bucket[erased] = b'{"token": "x", "erased_at": "y"}\n'
            return request.answer()

        bucket.fault = fault

        assert "backdated" == land(bucket_lake, yesterday())["status"]
        assert 2 == bucket.asked.count(f"PUT /lake/{partition}")

    def test_live(self, api, lake):
        """A live snapshot has the same bytes as ever; a receipt is believed before the file is."""
        land(lake)
        land(lake, yesterday())
        assert lake.table().schema.metadata is None
        assert {b"mailpartner.status": b"backdated"} == lake.table(yesterday()).schema.metadata
        lake.make_live(yesterday())
        before = lake.files()

        assert not land(lake, yesterday())["changed"]
        assert before == lake.files()


def land_past(destination, partition_by):
    """Land yesterday's list without Airflow."""
    request = SnapshotRequest(yesterday(), PARIS, destination, partition_by=partition_by)
    return land_snapshot(request, today(), lambda: stream_of(THREE), lambda _: None)


def test_quarantine_of_a_killed_landing(api, store):
    """A quarantine that a killed landing left beside an older receipt is removed."""
    land(store)
    left = {quarantine_name(): b'{"reason": "id is missing", "record": {}}\n'}
    store.restore(store.files() | left)

    land(store)

    assert quarantine_name() not in store.files()


class TestReceiptsThroughTheYears:
    def test_lacking(self, api, lake):
        """A receipt that lacks what a later version added still guards its day and the next."""
        api.unsubscribes = [{"id": key, "email": "a@example.com"} for key in range(100)]
        land(lake, yesterday())
        lake.make_live(yesterday())
        receipt = lake.receipt(yesterday())
        for member in ("duration_seconds", "etag", "map_index", "partitions_written"):
            del receipt[member]
        lake.receipt_path(yesterday()).write_text(json.dumps(receipt))
        before = files(lake.folder)
        api.unsubscribes = api.unsubscribes[:30]

        with pytest.raises(BadData, match="the list shrank from 100 to 30"):
            land(lake)
        assert not land(lake, yesterday())["changed"]
        assert before == files(lake.folder)

    def test_of_a_higher_version(self, api, lake):
        """A receipt of a higher version fails the task, which says who wrote it."""
        land(lake, yesterday())
        receipt = lake.receipt(yesterday()) | {"receipt_version": 2, "provider_version": "9.1"}
        lake.receipt_path(yesterday()).write_text(json.dumps(receipt))

        with pytest.raises(BadData, match=r"written by mailpartner-provider 9\.1: upgrade"):
            land(lake)

        assert not lake.holds(today())


class TestOneKind:
    """A destination is of one dataset, layout, email mode and account."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"partition_by": "created"}, "partition_by of .* is 'snapshot', not 'created'"),
            ({"email_mode": "drop"}, "email_mode of .* is 'plain', not 'drop'"),
            ({"mailpartner_conn_id": "other"}, "is of the connection 'mailpartner_default'"),
        ],
    )
    def test_refused(self, api, lake, monkeypatch, arguments, words):
        """Another one is refused, with the day of the receipt that says so."""
        connect(monkeypatch, api, conn_id="other")
        land(lake, yesterday())
        before = files(lake.folder)

        for day in (days_ago(5), yesterday(), today()):
            with pytest.raises(AirflowFailException, match=f"{words}.*{yesterday()} says so"):
                land(lake, day, **arguments)

        assert before == files(lake.folder)

    def test_changes(self, api, lake, feed, monkeypatch, tmp_path):
        """Changes of one account are refused where those of another one are."""
        connect(monkeypatch, api, conn_id="other")
        other = Lake(tmp_path / "other")
        land(lake)
        land(other, mailpartner_conn_id="other")
        compare(lake, feed)
        before = feed.files()

        with pytest.raises(
            AirflowFailException, match="is of the connection 'mailpartner_default'"
        ):
            compare(other, feed)

        assert before == feed.files()

    def test_renamed(self, api, lake, monkeypatch):
        """A connection that was only renamed says so in its extra."""
        land(lake, yesterday())
        connect(monkeypatch, api, conn_id="renamed", extra={"renamed_from": "mailpartner_default"})

        assert "renamed" == land(lake, mailpartner_conn_id="renamed")["conn_id"]
        assert "renamed" == land(lake, mailpartner_conn_id="renamed")["conn_id"]


class TestClocks:
    def test_receipt_of_the_future(self, api, lake, log):
        """A receipt that a wrong clock dated a year ahead is named, and freezes nothing."""
        land(lake, partition_by="created")
        future = days_ago(-365)
        receipt = lake.receipt() | {"snapshot_date": str(future)}
        lake.receipt_path(future).write_text(json.dumps(receipt))
        api.unsubscribes = THREE[:1]

        assert 1 == land(lake, partition_by="created", max_shrink=None)["rows"]
        assert f"of days in the future, until {future}: delete them" in log()

    def test_slow_clock(self, api, lake):
        """A worker whose clock is two seconds behind at midnight fails, and is tried again."""
        with (
            time_machine.travel(midnight(tomorrow()) - timedelta(seconds=2)),
            pytest.raises(Exception, match="but not for long") as caught,
        ):
            land(lake, tomorrow())

        assert not isinstance(caught.value, AirflowFailException)
        assert not lake.exists()


def test_outlets_without_events(api, lake):
    """An outlet that is no asset is left alone."""
    task = operator(lake)
    task.outlets = [object()]

    class Events(dict):
        def __missing__(self, outlet):
            raise TypeError("no asset")

    assert 3 == task.execute({"outlet_events": Events()})["rows"]


def test_unknown_fields_are_capped(api, lake):
    """A receipt names twenty unknown fields, each cut, and counts the others."""
    odd = {f"f{number:04}" + "x" * 1000: 1 for number in range(1000)}
    api.unsubscribes = [{"id": 1, "email": "a@example.com", **odd}]

    unknown = land(lake)["unknown_fields"]

    assert unknown.startswith("f0000xxx")
    assert unknown.endswith(",(+980 more)")
    assert 21 == len(unknown.split(","))
    assert len(unknown) < 2000


def test_instants_sort_as_text(api, lake):
    """Instants in receipts have a fixed width."""
    api.unsubscribes = [
        {"id": 1, "email": "a@example.com", "createdAt": "2015-07-20 10:19:45"},
        {"id": 2, "email": "b@example.com", "createdAt": "2015-07-20 10:19:45.5"},
    ]

    receipt = land(lake)

    instants = [receipt[name] for name in ("min_created_at", "max_created_at", "observed_at")]
    assert sorted(instants) == instants
    assert {len("2026-11-23T06:30:00.000000Z")} == set(map(len, instants))


def test_map_index(api, lake):
    """The receipt of a mapped task has its index; that of another one has none."""
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=4)

    assert 4 == operator(lake).execute({"ti": ti})["map_index"]
    ti.map_index = -1
    assert operator(lake).execute({"ti": ti})["map_index"] is None
