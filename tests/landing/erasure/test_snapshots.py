"""Erasing people: no address is left, a token is, and everything else stays as it was."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.privacy.erasure import erase
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import SnapshotRequest
from tests.support.api import THREE, listing
from tests.support.days import PARIS, today, yesterday
from tests.support.erasing import (
    NAMED,
    NOW,
    TOKEN,
    ZOE,
    assert_gone,
    assert_receipts,
    emails,
    erased,
)
from tests.support.lake import Lake, partition_name, quarantine_name
from tests.support.landing import land


class TestSnapshots:
    def test_gone(self, two_days):
        """Her address leaves every file, and a token takes its place; all other rows stay."""
        before = {day: two_days.rows(day) for day in (yesterday(), today())}

        replaced = erased(two_days)

        assert_gone(two_days)
        for day, stood in before.items():
            for was, now in zip(stood, two_days.rows(day), strict=True):
                if was["id"] == 9:
                    assert {**was, "email": NAMED, "extra_fields": None} == now
                elif "Zoe" in (was["extra_fields"] or ""):
                    assert {**was, "extra_fields": None} == now
                else:
                    assert was == now
        assert [1, 2, 1] == [file.records for file in replaced]

    def test_receipts(self, two_days):
        """The receipts declare the new files, and nothing else about them changes."""
        before = {day: two_days.receipt(day) for day in (yesterday(), today())}

        replaced = erased(two_days)

        assert_receipts(two_days, yesterday(), today())
        for day, file in zip((yesterday(), today()), replaced, strict=False):
            after = two_days.receipt(day)
            assert before[day]["sha256"] == file.sha256_before
            assert after["sha256"] == file.sha256_after
            assert before[day] | {"sha256": after["sha256"], "bytes": after["bytes"]} == after

    @pytest.mark.parametrize(
        "note", [f"Ask {ZOE}.", f"https://x.example/?mail={ZOE}&x=1"], ids=["sentence", "link"]
    )
    def test_named_in_a_text(self, api, lake, note):
        """Other people whose fields name her lose those fields, whatever is around her address."""
        api.unsubscribes = [{**THREE[0], "note": note}]
        land(lake)

        (replaced,) = erased(lake)

        assert 1 == replaced.records
        assert_gone(lake)

    def test_quarantine(self, two_days):
        """Of a quarantined record that names her only a token stays; others stay."""
        erased(two_days)

        records = [line["record"] for line in two_days.quarantine()]
        assert [{"erased": TOKEN}, {"id": None, "email": "joe@example.com"}] == records

    def test_again(self, two_days):
        """A second time finds nobody, and changes no file: that is the proof."""
        assert erased(two_days)
        before = two_days.files()

        assert [] == erased(two_days)
        assert before == two_days.files()

    def test_nobody(self, two_days):
        """Somebody who is not there changes nothing, and is remembered all the same."""
        before = two_days.files()

        assert [] == erased(two_days, "oe@example.com")

        remembered = two_days.files().keys() - before.keys()
        assert {"_erased.jsonl"} == remembered
        assert before.items() <= two_days.files().items()

    def test_landed_again(self, api, two_days):
        """The API may go on listing her: a landing writes the same bytes, token and all."""
        erased(two_days)
        before = two_days.files()

        receipt = land(two_days, max_rejected=2)

        assert not receipt["changed"]
        after = two_days.files()
        assert before[partition_name()] == after[partition_name()]
        assert before[quarantine_name()] == after[quarantine_name()]
        assert_gone(two_days)

    def test_suppressed(self, two_days):
        """She is still suppressed: her token is in the list, and among the erased."""
        erased(two_days)
        in_the_list = f"""
            SELECT count(*) FROM '{two_days}/dt={today()}/part-00000.parquet'
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

        erase(LocalFolder(two_days.folder), [ZOE, "anne@example.com"], [], later)

        lines = map(json.loads, (two_days / "_erased.jsonl").read_text().splitlines())
        at = {line["token"]: line["erased_at"] for line in lines}
        assert "2026-11-24T06:30:00.000000Z" == at.pop(TOKEN)
        assert ["2026-11-25T06:30:00.000000Z"] == list(at.values())
        assert emails(two_days)[19].startswith("sha256:")

    def test_foreign_files(self, two_days):
        """Files of others are left alone, also where they hold an address."""
        foreign = {f"dt={today()}/mine.parquet", "_rejected/mine.jsonl", "mine"}
        for name in foreign:
            (two_days / name).write_text(ZOE)

        erased(two_days)

        assert {name for name in foreign if (two_days / name).read_text() == ZOE} == foreign

    def test_receipt_of_another_file(self, two_days):
        """A receipt that is not that of its partition is not made to look so."""
        place = two_days.receipt_path()
        place.write_text(place.read_text().replace('"sha256": "', '"sha256": "0'))
        before = place.read_text()

        erased(two_days)

        assert before == place.read_text()

    @given(
        people=st.lists(st.sampled_from(["a@x", "B@x", "c@x", "zoe", " A@X "]), max_size=8),
        gone=st.sets(st.sampled_from(["a@x", "b@x", "c@x", "ZOE"]), min_size=1),
    )
    def test_always(self, tmp_path_factory, people, gone):
        """Whoever is erased, before a landing or after it, the same bytes stand there, with the
        same ids, and the address of nobody who was erased."""
        stream = [json.dumps(listing([{"id": n, "email": e} for n, e in enumerate(people)]))]
        lakes = [Lake(tmp_path_factory.mktemp("lake")) for _ in range(2)]
        land_list(lakes[0], stream)
        erased(lakes[0], *gone)
        erased(lakes[1], *gone)
        land_list(lakes[1], stream)

        first, second = (lake.partition().read_bytes() for lake in lakes)
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
    request = SnapshotRequest(today(), PARIS, LocalFolder(lake.folder))
    return land_snapshot(request, today(), lambda: answer, lambda _: None)


def now():
    return datetime.now(timezone.utc)
