"""Erasing that is killed, that something else overtakes, that finds what it cannot read."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.errors import BadData, Conflict
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import SnapshotRequest
from tests.support.api import listing
from tests.support.changes import comparing
from tests.support.days import PARIS, today, yesterday
from tests.support.erasing import (
    NAMED,
    NINE,
    assert_gone,
    assert_receipts,
    emails,
    erased,
)
from tests.support.killed import kill
from tests.support.landing import land


def now():
    return datetime.now(timezone.utc)


#: The list, then of two days the receipt, the file, and the receipt, then the quarantine.
STEPS = range(8)


class TestKilled:
    @pytest.mark.parametrize("steps", STEPS)
    def test_killed(self, two_days, steps):
        """A kill before any step leaves every file whole, and to erase again finishes it."""
        kill(erased, two_days.folder, steps)
        for name in two_days.files():
            if name.endswith(".parquet"):
                assert pq.ParquetFile(two_days / name).read().num_rows >= 4

        erased(two_days)

        assert_gone(two_days)
        assert_receipts(two_days, yesterday(), today())
        assert not list(two_days.glob(".mailpartner-landing-*"))

    @pytest.mark.parametrize("steps", STEPS)
    def test_killed_before_others(self, two_days, steps):
        """To erase somebody else finishes it too, and each receipt is that of its file."""
        kill(erased, two_days.folder, steps)

        erased(two_days, "anne@example.com")

        assert_receipts(two_days, yesterday(), today())
        if steps:
            assert_gone(two_days)

    @pytest.mark.parametrize("steps", STEPS)
    def test_changes_go_on(self, two_days, steps, tmp_path):
        """The changes of the day are landed all the same: the receipt vouches for both files."""
        kill(erased, two_days.folder, steps)

        receipt = comparing(two_days, tmp_path).execute({})

        assert receipt["rows"] == two_days.receipt(today())["rows"]

    @pytest.mark.parametrize("steps", STEPS)
    def test_other_bytes(self, two_days, steps):
        """So does an erasure that would write other bytes, and then one of nobody."""
        kill(erased, two_days.folder, steps)
        (two_days / "_erased.jsonl").unlink(missing_ok=True)

        erased(two_days, "anne@example.com")
        assert_receipts(two_days, yesterday(), today())
        before = two_days.files()

        assert [] == erased(two_days, "anne@example.com")
        assert before == two_days.files()

    @pytest.mark.parametrize("steps", STEPS)
    def test_vouched_for(self, two_days, steps):
        """After a kill before any step, the live snapshot of a past day still is known as such."""
        two_days.make_live(yesterday())
        kill(erased, two_days.folder, steps)
        before = two_days.partition(yesterday()).read_bytes()

        receipt = land(two_days, yesterday(), max_rejected=2)

        assert ("live", False) == (receipt["status"], receipt["changed"])
        assert before == two_days.partition(yesterday()).read_bytes()

    @pytest.mark.parametrize("steps", STEPS)
    def test_landed_before_again(self, two_days, steps):
        """After a kill before any step, a landing declares what it leaves."""
        kill(erased, two_days.folder, steps)

        land(two_days, max_rejected=2)

        assert_receipts(two_days, today())
        assert not land(two_days, max_rejected=2)["changed"]

    def test_tokens_come_first(self, two_days):
        """After a kill right behind the tokens, no landing brings her back."""
        kill(erased, two_days.folder, 1)

        land(two_days, max_rejected=2)

        assert NAMED == emails(two_days)[9]


class TestTrouble:
    def test_during_a_landing(self, api, lake):
        """A landing during which somebody is erased publishes nothing, and is repeated."""
        api.unsubscribes = NINE
        land(lake)
        answer = UnsubscribeStream([json.dumps(listing(NINE)).encode()], PARIS, observed_at=now())
        request = SnapshotRequest(today(), PARIS, LocalFolder(lake.folder))

        def heartbeat(_):
            (lake / "_erased.jsonl").write_text('{"token": "x", "erased_at": "y"}\n')

        before = lake.files()
        with pytest.raises(Conflict, match=r"_erased.jsonl has just been changed by another task"):
            land_snapshot(request, today(), lambda: answer, heartbeat)
        assert before == {k: v for k, v in lake.files().items() if k != "_erased.jsonl"}

    @pytest.mark.parametrize("text", ["{", "[]", '{"token": 1}', "null", "\ud800"])
    def test_unreadable_tokens(self, two_days, text):
        """Where nobody knows who was erased, nothing is landed and nobody erased."""
        (two_days / "_erased.jsonl").write_bytes(text.encode("utf-8", "surrogatepass") + b"\n")
        before = two_days.files()

        for act in (lambda: land(two_days, max_rejected=2), lambda: erased(two_days)):
            with pytest.raises(BadData, match=r"_erased.jsonl is damaged: restore it"):
                act()
        assert before == two_days.files()

    def test_unreadable_partition(self, two_days):
        """A partition that cannot be read is named, for it may hold an address."""
        two_days.partition().write_bytes(b"PAR1")

        with pytest.raises(BadData, match=f"dt={today()}/part-00000.parquet cannot be read"):
            erased(two_days)

    def test_unreadable_quarantine(self, two_days):
        """So is a quarantine."""
        two_days.quarantine_path().write_text("zoe@example.com")

        with pytest.raises(BadData, match=f"dt={today()}.jsonl cannot be read") as raised:
            erased(two_days)
        assert "zoe" not in str(raised.value)
