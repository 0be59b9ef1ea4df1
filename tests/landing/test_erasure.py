"""Erasing people: no address is left, a token is, and everything else stays as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.changes.landing import ChangesRequest, land_changes
from mailpartner_provider.errors import BadData, RequestFailed, WrongArgument
from mailpartner_provider.lake.storage import LocalFolder
from mailpartner_provider.privacy.erasure import erase
from mailpartner_provider.snapshots.landing import SnapshotRequest, land_snapshot
from tests.conftest import PARIS, THREE, TODAY, YESTERDAY, connect, files, land, listing, rows
from tests.landing.test_changes import tell
from tests.support.bucket import Request, refusing
from tests.support.killed import kill
from tests.support.plain import STEADY

ZOE = "Zoe@Example.com"
TOKEN = hashlib.sha256(b"zoe@example.com").hexdigest()
NAMED = f"sha256:{TOKEN}"
KEY = "clé secrète"
NOW = datetime(2026, 11, 24, 6, 30, tzinfo=timezone.utc)
NINE = [*THREE, {"id": 9, "email": ZOE, "createdAt": "2020-02-02 02:02:02", "name": "Zoe"}]


def erased(destination, *emails: str, key: str | None = None):
    """Erase Zoe, or others."""
    place = destination if isinstance(destination, LocalFolder) else LocalFolder(destination)
    return erase(place, emails or [" zoe@EXAMPLE.com"], key and key.encode(), NOW)


def emails(lake, day=TODAY):
    return {row["id"]: row["email"] for row in rows(lake, day)}


def receipt_of(lake, day=TODAY):
    return json.loads((lake / f"_receipts/dt={day}.json").read_text())


def assert_receipts(lake, *days):
    """The receipts of days are those of their files."""
    for day in days:
        content = (lake / f"dt={day}/part-00000.parquet").read_bytes()
        receipt = receipt_of(lake, day)
        assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
        assert len(content) == receipt["bytes"]


def assert_gone(folder):
    """Nothing in any file names Zoe, within Parquet or without."""
    for name, content in files(folder).items():
        if name.endswith(".parquet"):
            content = json.dumps(pq.read_table(folder / name).to_pylist(), default=str).encode()
        assert b"zoe" not in content.lower(), name


@pytest.fixture
def two_days(api, lake):
    """Two snapshots with Zoe in both, and her quarantined record in the second."""
    api.unsubscribes = NINE
    land(lake, snapshot_date=str(YESTERDAY))
    api.unsubscribes = [
        {**NINE[0], "friend": f"of <{ZOE}>"},
        {**NINE[1], "friend": "of no one"},
        *NINE[2:],
        {"id": None, "email": ZOE, "name": "Z"},
        {"id": None, "email": "joe@example.com"},
    ]
    land(lake, max_rejected=2)
    return lake


class TestSnapshots:
    def test_gone(self, two_days):
        """Her address leaves every file, and a token takes its place; all other rows stay."""
        before = {day: rows(two_days, day) for day in (YESTERDAY, TODAY)}

        struck = erased(two_days)

        assert_gone(two_days)
        for day, stood in before.items():
            for was, now in zip(stood, rows(two_days, day), strict=True):
                if was["id"] == 9:
                    assert {**was, "email": NAMED, "extra_fields": None} == now
                elif "Zoe" in (was["extra_fields"] or ""):
                    assert {**was, "extra_fields": None} == now
                else:
                    assert was == now
        assert [1, 2, 1] == [file.records for file in struck]

    def test_receipts(self, two_days):
        """The receipts declare the new files, and nothing else about them changes."""
        before = {day: receipt_of(two_days, day) for day in (YESTERDAY, TODAY)}

        struck = erased(two_days)

        assert_receipts(two_days, YESTERDAY, TODAY)
        for day, file in zip((YESTERDAY, TODAY), struck, strict=False):
            after = receipt_of(two_days, day)
            assert before[day]["sha256"] == file.sha256_before
            assert after["sha256"] == file.sha256_after
            assert before[day] | {"sha256": after["sha256"], "bytes": after["bytes"]} == after

    @pytest.mark.parametrize(
        "note", [f"Ask {ZOE}.", f"https://x.example/?mail={ZOE}&x=1"], ids=["sentence", "link"]
    )
    def test_named_in_a_text(self, api, lake, note):
        """Whoever else's fields name her lose them, whatever stands around her address."""
        api.unsubscribes = [{**THREE[0], "note": note}]
        land(lake)

        (struck,) = erased(lake)

        assert 1 == struck.records
        assert_gone(lake)

    def test_quarantine(self, two_days):
        """Of a quarantined record that names her only a token stays; others stay."""
        erased(two_days)

        lines = (two_days / f"_rejected/dt={TODAY}.jsonl").read_text().splitlines()
        records = [json.loads(line)["record"] for line in lines]
        assert [{"erased": TOKEN}, {"id": None, "email": "joe@example.com"}] == records

    def test_again(self, two_days):
        """A second time finds nobody, and changes no file: that is the proof."""
        assert erased(two_days)
        before = files(two_days)

        assert [] == erased(two_days)
        assert before == files(two_days)

    def test_nobody(self, two_days):
        """Somebody who is not there changes nothing, and is remembered all the same."""
        before = files(two_days)

        assert [] == erased(two_days, "oe@example.com")

        remembered = files(two_days).keys() - before.keys()
        assert {"_erased.jsonl"} == remembered
        assert before.items() <= files(two_days).items()

    def test_landed_again(self, api, two_days):
        """The API may go on listing her: a landing writes the same bytes, token and all."""
        erased(two_days)
        before = files(two_days)

        receipt = land(two_days, max_rejected=2)

        assert not receipt["changed"]
        after = files(two_days)
        assert before[f"dt={TODAY}/part-00000.parquet"] == after[f"dt={TODAY}/part-00000.parquet"]
        assert before[f"_rejected/dt={TODAY}.jsonl"] == after[f"_rejected/dt={TODAY}.jsonl"]
        assert_gone(two_days)

    def test_suppressed(self, two_days):
        """She is still suppressed: her token is in the list, and among the erased."""
        erased(two_days)
        in_the_list = f"""
            SELECT count(*) FROM '{two_days}/dt={TODAY}/part-00000.parquet'
            WHERE email = 'sha256:' || sha256(lower(trim(?)))
        """
        among_the_erased = f"""
            SELECT count(*) FROM '{two_days}/_erased.jsonl' WHERE token = sha256(lower(trim(?)))
        """

        for query in (in_the_list, among_the_erased):
            for email, count in ((ZOE, 1), ("joe@example.com", 0)):
                assert [(count,)] == duckdb.execute(query, [email]).fetchall()

    def test_several(self, two_days):
        """Several people go at once; who was erased before keeps the instant of it."""
        erased(two_days)
        later = NOW + timedelta(days=1)

        erase(LocalFolder(two_days), [ZOE, "anne@example.com"], None, later)

        lines = map(json.loads, (two_days / "_erased.jsonl").read_text().splitlines())
        at = {line["token"]: line["erased_at"] for line in lines}
        assert "2026-11-24T06:30:00Z" == at.pop(TOKEN)
        assert ["2026-11-25T06:30:00Z"] == list(at.values())
        assert emails(two_days)[19].startswith("sha256:")

    def test_foreign_files(self, two_days):
        """Files of others are left alone, also where they hold an address."""
        foreign = {f"dt={TODAY}/mine.parquet", "_rejected/mine.jsonl", "mine"}
        for name in foreign:
            (two_days / name).write_text(ZOE)

        erased(two_days)

        assert {name for name in foreign if (two_days / name).read_text() == ZOE} == foreign

    def test_receipt_of_another_file(self, two_days):
        """A receipt that is not that of its partition is not made to look so."""
        place = two_days / f"_receipts/dt={TODAY}.json"
        place.write_text(place.read_text().replace('"sha256": "', '"sha256": "0'))
        before = place.read_text()

        erased(two_days)

        assert before == place.read_text()

    @STEADY
    @given(
        people=st.lists(st.sampled_from(["a@x", "B@x", "c@x", "zoe", " A@X "]), max_size=8),
        gone=st.sets(st.sampled_from(["a@x", "b@x", "c@x", "ZOE"]), min_size=1),
    )
    def test_always(self, tmp_path_factory, people, gone):
        """Whoever is erased, before a landing or after it, the same bytes stand there, with the
        same ids, and the address of nobody who was erased."""
        stream = [json.dumps(listing([{"id": n, "email": e} for n, e in enumerate(people)]))]
        lakes = [tmp_path_factory.mktemp("lake") for _ in range(2)]
        land_list(lakes[0], stream)
        erased(lakes[0], *gone)
        erased(lakes[1], *gone)
        land_list(lakes[1], stream)

        first, second = (files(lake)[f"dt={TODAY}/part-00000.parquet"] for lake in lakes)
        assert first == second
        found = emails(lakes[0])
        assert list(range(len(people))) == sorted(found)
        wanted = {email.strip().lower() for email in gone}
        for number, email in enumerate(people):
            if email.strip().lower() in wanted:
                assert found[number].startswith("sha256:")
            else:
                assert found[number] == email


def land_list(lake, stream):
    answer = UnsubscribeStream([part.encode() for part in stream], PARIS, observed_at=now())
    request = SnapshotRequest(TODAY, PARIS, LocalFolder(lake))
    return land_snapshot(request, TODAY, lambda: answer, lambda _: None)


def ago(days):
    return TODAY - timedelta(days=days)


def now():
    return datetime.now(timezone.utc)


class TestModes:
    @pytest.fixture(autouse=True)
    def with_key(self, api, monkeypatch):
        connect(monkeypatch, api, extra={"email_hmac_key": KEY})
        api.unsubscribes = NINE

    @pytest.mark.parametrize("mode", ["sha256", "hmac"])
    def test_hashed(self, lake, mode):
        """Where tokens were landed they stay, and her other fields go."""
        land(lake, email_mode=mode)
        before = rows(lake)

        (file,) = erased(lake, key=KEY)

        assert 1 == file.records
        assert [*before[:-1], {**before[-1], "extra_fields": None}] == rows(lake)
        assert_receipts(lake, TODAY)
        assert not land(lake, email_mode=mode)["changed"]

    def test_no_key(self, lake):
        """Keyed tokens can only be found by their key."""
        land(lake, email_mode="hmac")

        with pytest.raises(WrongArgument, match="--mailpartner-conn-id"):
            erased(lake)

    def test_dropped(self, lake):
        """Where addresses were dropped nobody can be found, until the next landing."""
        land(lake, email_mode="drop")

        assert [] == erased(lake)

        assert land(lake, email_mode="drop")["changed"]
        assert [None] * 4 == [row["extra_fields"] for row in rows(lake)]

    def test_every_mode(self, lake):
        """A destination whose mode changed over time is searched in each."""
        for days, mode in enumerate(["plain", "sha256", "hmac", "drop"]):
            land(lake, snapshot_date=str(ago(days)), email_mode=mode)

        assert 3 == len(erased(lake, key=KEY))
        left = {row["extra_fields"] for days in range(3) for row in rows(lake, ago(days))}
        assert {None} == left


class TestDaysOfOptOut:
    @pytest.fixture
    def landed(self, api, lake):
        api.unsubscribes = NINE
        land(lake, partition_by="created", snapshot_date=str(YESTERDAY))
        land(lake, partition_by="created")
        return lake

    def test_gone(self, landed):
        """Only her day is replaced; index and newest receipts declare what stands there."""
        before = files(landed)

        (file,) = erased(landed)

        assert file.uri.endswith("dt=2020-02-02/part-00000.parquet")
        assert_gone(landed)
        changed = {name for name, content in files(landed).items() if before.get(name) != content}
        receipts = {f"_receipts/dt={day}.json" for day in (YESTERDAY, TODAY)}
        assert {
            "dt=2020-02-02/part-00000.parquet",
            "_partitions.json",
            "_erased.jsonl",
            *receipts,
        } == changed
        partitions = [content for name, content in files(landed).items() if name[:3] == "dt="]
        assert sum(map(len, partitions)) == receipt_of(landed)["bytes"]

    def test_landed_again(self, landed):
        """The next landing finds nothing to do."""
        erased(landed)

        receipt = land(landed, partition_by="created")

        assert (0, False) == (receipt["partitions_written"], receipt["changed"])

    def test_foreign_receipt(self, landed):
        """A foreign file among the receipts does not keep them from following."""
        (landed / "_receipts/notes").write_text("mine")

        erased(landed)

        assert not land(landed, partition_by="created")["changed"]

    @pytest.mark.parametrize("steps", range(6))
    def test_killed(self, landed, steps):
        """A kill at any step is mended by erasing again, so that a landing finds nothing to do."""
        kill(erased, landed, steps)

        erased(landed)

        assert_gone(landed)
        assert receipt_of(landed)["sha256"] == receipt_of(landed, YESTERDAY)["sha256"]
        assert not land(landed, partition_by="created")["changed"]
        index = json.loads((landed / "_partitions.json").read_text())
        for name, sha256 in index.items():
            assert hashlib.sha256((landed / name).read_bytes()).hexdigest() == sha256


class TestKilled:
    @pytest.mark.parametrize("steps", range(6))
    def test_killed(self, two_days, steps):
        """A kill before any step leaves every file whole, and to erase again finishes it."""
        kill(erased, two_days, steps)
        for name in files(two_days):
            if name.endswith(".parquet"):
                assert pq.ParquetFile(two_days / name).read().num_rows >= 4

        erased(two_days)

        assert_gone(two_days)
        assert_receipts(two_days, YESTERDAY, TODAY)
        assert not list(two_days.glob(".mailpartner-landing-*"))

    @pytest.mark.parametrize("steps", range(6))
    def test_killed_before_others(self, two_days, steps):
        """To erase somebody else finishes it too, and each receipt is that of its file."""
        kill(erased, two_days, steps)

        erased(two_days, "anne@example.com")

        assert_receipts(two_days, YESTERDAY, TODAY)
        if steps:
            assert_gone(two_days)

    def test_tokens_come_first(self, two_days):
        """After a kill right behind the tokens, no landing brings her back."""
        kill(erased, two_days, 1)

        land(two_days, max_rejected=2)

        assert NAMED == emails(two_days)[9]


def live(lake, day):
    """Mark a snapshot as live, as if it had been observed on its day."""
    place = lake / f"_receipts/dt={day}.json"
    place.write_text(place.read_text().replace('"backdated"', '"live"'))


class TestChanges:
    def test_no_change(self, two_days, tmp_path):
        """To be erased is no change, whether it was before the second snapshot or after it."""
        live(two_days, YESTERDAY)
        before = tell(two_days, tmp_path / "before")

        erased(two_days)

        after = tell(two_days, tmp_path / "after")
        for kind in ("added", "removed", "changed_records"):
            assert before[kind] - (kind == "changed_records") == after[kind]

    def test_feed(self, two_days, tmp_path):
        """A feed is a destination like another, and its receipts follow."""
        feed = tmp_path / "changes"
        tell(two_days, feed)

        assert 2 == erased(feed)[0].records

        assert_gone(feed)
        assert_receipts(feed, TODAY)

    def test_feed_first(self, two_days, tmp_path):
        """Once she is erased from a feed, no landing there brings her back from the source."""
        feed = tmp_path / "changes"
        erased(feed)

        tell(two_days, feed)

        assert_gone(feed)
        assert_receipts(feed, TODAY)

    def test_feed_meanwhile(self, two_days, tmp_path):
        """Changes that were being told while she was erased are not landed."""
        feed = tmp_path / "changes"

        class Erasing(LocalFolder):
            def locked(self):
                erased(two_days)
                erased(feed)
                return super().locked()

        with pytest.raises(RequestFailed, match="somebody was erased"):
            land_changes(ChangesRequest(TODAY, LocalFolder(two_days), Erasing(feed)), Comparison())

        assert ["_erased.jsonl"] == list(files(feed))


class TestTrouble:
    def test_meanwhile(self, api, lake):
        """A landing during which somebody is erased is made anew, by the retries."""
        api.unsubscribes = NINE
        land(lake)
        answer = UnsubscribeStream([json.dumps(listing(NINE)).encode()], PARIS, observed_at=now())
        request = SnapshotRequest(TODAY, PARIS, LocalFolder(lake))

        def heartbeat(_):
            (lake / "_erased.jsonl").write_text('{"token": "x", "erased_at": "y"}\n')

        before = files(lake)
        with pytest.raises(RequestFailed, match="somebody was erased"):
            land_snapshot(request, TODAY, lambda: answer, heartbeat)
        assert before == {k: v for k, v in files(lake).items() if k != "_erased.jsonl"}

    @pytest.mark.parametrize("text", ["{", "[]", '{"token": 1}', "null", "\ud800"])
    def test_unreadable_tokens(self, two_days, text):
        """Where nobody knows who was erased, nothing is landed and nobody erased."""
        (two_days / "_erased.jsonl").write_bytes(text.encode("utf-8", "surrogatepass") + b"\n")
        before = files(two_days)

        for act in (lambda: land(two_days, max_rejected=2), lambda: erased(two_days)):
            with pytest.raises(BadData, match=r"_erased.jsonl is damaged: restore it"):
                act()
        assert before == files(two_days)

    def test_unreadable_partition(self, two_days):
        """A partition that cannot be read is named, for it may hold an address."""
        (two_days / f"dt={TODAY}/part-00000.parquet").write_bytes(b"PAR1")

        with pytest.raises(BadData, match=f"dt={TODAY}/part-00000.parquet cannot be read"):
            erased(two_days)

    def test_unreadable_quarantine(self, two_days):
        """So is a quarantine."""
        (two_days / f"_rejected/dt={TODAY}.jsonl").write_text("zoe@example.com")

        with pytest.raises(BadData, match=f"dt={TODAY}.jsonl cannot be read") as raised:
            erased(two_days)
        assert "zoe" not in str(raised.value)


class TestCommand:
    def run(self, *arguments, people=f"{ZOE}\n\n  anne@example.com \n", encoding="utf-8"):
        command = [sys.executable, "-m", "mailpartner_provider", *map(str, arguments)]
        return subprocess.run(
            command, input=people, capture_output=True, text=True, encoding=encoding
        )

    def test_report(self, two_days, tmp_path):
        """The command erases from each destination, and says what it replaced, not whom."""
        feed = tmp_path / "changes"
        tell(two_days, feed)

        done = self.run("erase", two_days, feed)

        assert 0 == done.returncode, done.stderr
        first, end = json.JSONDecoder().raw_decode(done.stdout)
        second = json.loads(done.stdout[end:])
        assert (2, 3) == (first["people"], len(first["files"]))
        assert feed.as_uri() + "/" == second["destination"].rstrip("/") + "/"
        assert_gone(two_days)
        assert_gone(feed)
        for secret in ("zoe", "anne"):
            assert secret not in (done.stdout + done.stderr).lower()

    def test_key(self, api, lake, monkeypatch):
        """The connection that has the key of hashed addresses is named by argument."""
        connect(monkeypatch, api, extra={"email_hmac_key": KEY})
        api.unsubscribes = NINE
        land(lake, email_mode="hmac")

        failed = self.run("erase", lake)
        done = self.run("erase", lake, "--mailpartner-conn-id", "mailpartner_default")

        assert (1, 0) == (failed.returncode, done.returncode)
        assert "Not erased: " in failed.stderr and "--mailpartner-conn-id" in failed.stderr
        assert 1 == len(json.loads(done.stdout)["files"])

    def test_byte_order_mark(self, two_days):
        """A byte order mark before the first address, as Windows puts it, is no part of it."""
        done = self.run("erase", two_days, people=f"\ufeff{ZOE}\r\n")

        assert 0 == done.returncode, done.stderr
        assert_gone(two_days)

    def test_encoding(self, lake):
        """Addresses that are not UTF-8 would find nobody: they are refused, and not shown."""
        done = self.run("erase", lake, people="björn@example.com\n", encoding="latin-1")

        assert (2, False) == (done.returncode, lake.exists())
        assert "not UTF-8" in done.stderr
        assert "example.com" not in done.stderr

    def test_without_receipts(self, two_days):
        """Partitions that have lost their receipts are searched all the same."""
        shutil.rmtree(two_days / "_receipts")

        assert 0 == self.run("erase", two_days).returncode
        assert_gone(two_days)

    def test_nowhere(self, two_days):
        """Where nothing has been landed nobody can be erased: the place is a misspelt one."""
        place = two_days.with_name("unsubscribers")

        done = self.run("erase", place)

        assert (1, False) == (done.returncode, place.exists())
        assert f"nothing has been landed in file://{place}" in done.stderr

    def test_nobody(self, lake):
        """Without an address nothing is done."""
        done = self.run("erase", lake, people="\n")

        assert (2, False) == (done.returncode, lake.exists())
        assert "standard input has no address" in done.stderr


class TestS3:
    lake = "s3://aws_default@lake/unsubscribes"

    def test_gone(self, api, bucket):
        """In a bucket too, and after a PUT was refused, erasing again finishes it."""
        from mailpartner_provider.hooks.storage import open_destination

        api.unsubscribes = NINE
        land(self.lake, snapshot_date=str(YESTERDAY))
        land(self.lake)
        place = f"unsubscribes/dt={TODAY}/part-00000.parquet"
        bucket.fault = refusing(f"PUT /lake/{place}")
        with pytest.raises(OSError, match="Access Denied"):
            erase(open_destination(self.lake), [ZOE], None, NOW)
        bucket.fault = Request.answer

        (struck,) = erase(open_destination(self.lake), [ZOE], None, NOW)

        assert f"s3://lake/{place}" == struck.uri
        for day in (YESTERDAY, TODAY):
            content = bucket[f"unsubscribes/dt={day}/part-00000.parquet"]
            receipt = json.loads(bucket[f"unsubscribes/_receipts/dt={day}.json"])
            assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
        assert not land(self.lake)["changed"]
