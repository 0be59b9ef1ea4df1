"""Erasing where addresses are hashed or dropped, and where a partition is a day of opt-out."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from mailpartner_provider.errors import WrongArgument
from tests.support.api import connect
from tests.support.days import days_ago, today, yesterday
from tests.support.erasing import (
    KEY,
    NINE,
    assert_gone,
    assert_receipts,
    erased,
)
from tests.support.killed import kill
from tests.support.lake import receipt_name
from tests.support.landing import land


class TestModes:
    @pytest.fixture(autouse=True)
    def with_key(self, api, monkeypatch):
        connect(monkeypatch, api, extra={"email_hmac_key": KEY})
        api.unsubscribes = NINE

    @pytest.mark.parametrize("mode", ["sha256", "hmac"])
    def test_hashed(self, lake, mode):
        """Where tokens were landed they stay, and her other fields go."""
        land(lake, email_mode=mode)
        before = lake.rows()

        (file,) = erased(lake, key=KEY)

        assert 1 == file.records
        assert [*before[:-1], {**before[-1], "extra_fields": None}] == lake.rows()
        assert_receipts(lake, today())
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
        assert [None] * 4 == [row["extra_fields"] for row in lake.rows()]

    def test_every_mode(self, lake, tmp_path):
        """A destination whose mode changed over time, as it once could, is searched in each."""
        for days, mode in enumerate(["plain", "sha256", "hmac", "drop"]):
            land(tmp_path / mode, days_ago(days), email_mode=mode)
            shutil.copytree(tmp_path / mode, lake, dirs_exist_ok=True)

        assert 3 == len(erased(lake, key=KEY))
        left = {row["extra_fields"] for days in range(3) for row in lake.rows(days_ago(days))}
        assert {None} == left


class TestDaysOfOptOut:
    @pytest.fixture
    def landed(self, api, lake):
        api.unsubscribes = NINE
        land(lake, partition_by="created", snapshot_date=str(yesterday()))
        land(lake, partition_by="created")
        return lake

    def test_gone(self, landed):
        """Only her day is replaced; index and newest receipts declare the new files."""
        before = landed.files()

        (file,) = erased(landed)

        assert file.uri.endswith("dt=2020-02-02/part-00000.parquet")
        assert_gone(landed)
        changed = {name for name, content in landed.files().items() if before.get(name) != content}
        receipts = {receipt_name(day) for day in (yesterday(), today())}
        assert {
            "dt=2020-02-02/part-00000.parquet",
            "_partitions.json",
            "_erased.jsonl",
            *receipts,
        } == changed
        partitions = [content for name, content in landed.files().items() if name[:3] == "dt="]
        assert sum(map(len, partitions)) == landed.receipt()["bytes"]

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
        kill(erased, landed.folder, steps)

        erased(landed)

        assert_gone(landed)
        assert landed.receipt()["sha256"] == landed.receipt(yesterday())["sha256"]
        assert not land(landed, partition_by="created")["changed"]
        index = json.loads((landed / "_partitions.json").read_text())
        for name, sha256 in index.items():
            assert hashlib.sha256((landed / name).read_bytes()).hexdigest() == sha256
