"""Erasing where addresses are hashed or dropped, and where a partition is a day of opt-out."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial

import pytest

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake.local import LocalFolder
from tests.support.api import connect
from tests.support.created import declared_digests, land_list, partitions
from tests.support.days import days_ago, today, yesterday
from tests.support.erasing import (
    KEY,
    NINE,
    TOKEN,
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
        self.assert_declared(landed)

    @pytest.mark.parametrize("steps", range(6))
    def test_killed_before_others(self, landed, steps):
        """To erase somebody else, who is in another file or in the same one, mends it too."""
        kill(erased, landed.folder, steps)
        (landed / "_erased.jsonl").unlink(missing_ok=True)

        erased(landed, "anne@example.com", "carla@example.com")

        self.assert_declared(landed)

    @staticmethod
    def assert_declared(landed):
        """Index and receipts declare all files, and a landing finds nothing to do."""
        assert landed.receipt()["sha256"] == landed.receipt(yesterday())["sha256"]
        index = declared_digests(landed)
        assert {name for name in landed.files() if name[:3] == "dt="} == index.keys()
        for name, sha256 in index.items():
            assert hashlib.sha256((landed / name).read_bytes()).hexdigest() == sha256
        receipt = land(landed, partition_by="created")
        if (landed / "_erased.jsonl").read_text().count(TOKEN):
            assert (0, False) == (receipt["partitions_written"], receipt["changed"])

    @pytest.mark.parametrize("steps", range(1, 6))
    def test_killed_landing(self, landed, steps):
        """What a killed landing left undeclared, erasing does not declare: it is written again."""
        shorter = [NINE[0], {**NINE[3], "createdAt": "2021-01-01 00:00:00"}]
        kill(partial(land_list, records=shorter), landed.folder, steps)
        declared = json.loads((landed / "_partitions.json").read_text())
        receipts = [landed.receipt(day)["sha256"] for day in (yesterday(), today())]

        erased(landed)

        index = json.loads((landed / "_partitions.json").read_text())
        assert declared.keys() == index.keys()
        assert receipts == [landed.receipt(day)["sha256"] for day in (yesterday(), today())]
        land_list(LocalFolder(landed.folder), shorter)
        assert_gone(landed)
        assert {"2015-07-20": [19], "2021-01-01": [9]} == partitions(landed)

    @pytest.mark.parametrize("text", ["{", "{}", "[]"])
    def test_unreadable_index(self, landed, text):
        """Beside an index that declares nothing, receipts and index stay as they are, also where a
        receipt declares no files at all."""
        (landed / "_partitions.json").write_text(text)
        receipt = landed.receipt() | {"sha256": hashlib.sha256(b"").hexdigest()}
        landed.receipt_path().write_text(json.dumps(receipt))

        erased(landed)

        assert_gone(landed)
        assert (receipt, text) == (landed.receipt(), (landed / "_partitions.json").read_text())
        assert land(landed, partition_by="created")["changed"]
