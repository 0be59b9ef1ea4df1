"""What was damaged, stopped or killed is mended by the next landing."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.errors import LandingStopped
from mailpartner_provider.lake.layouts import CREATED, INDEX
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import SnapshotRequest
from tests.support.created import (
    FIVE,
    by_day,
    declared_digests,
    inodes,
    land_created,
    land_list,
    partitions,
    stream_of,
)
from tests.support.days import PARIS, today
from tests.support.killed import kill
from tests.support.lake import receipt_name


class TestMended:
    @pytest.fixture
    def landed(self, api, lake):
        api.unsubscribes = FIVE
        land_created(lake)
        return lake.files()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda lake: (lake / "dt=2015-07-20/part-00000.parquet").unlink(),
            lambda lake: (lake / "dt=2015-07-20/part-00000.parquet").write_bytes(b"short"),
            lambda lake: (lake / INDEX).unlink(),
            lambda lake: (lake / INDEX).write_text("[]"),
            lambda lake: (lake / INDEX).write_text("{"),
            lambda lake: (lake / INDEX).write_text('{"dt=2015-07-20/part-00000.parquet": 1}'),
        ],
    )
    def test_damage(self, landed, lake, damage):
        """A partition that is gone or cut short, and an index that is gone or unreadable, are put
        back."""
        damage(lake)

        assert land_created(lake)["changed"]

        del landed[receipt_name()]
        assert landed.items() <= lake.files().items()

    def test_index_of_an_earlier_version(self, landed, lake):
        """An index without digests of rows vouches for its files: none is written, and they are
        added."""
        index = declared_digests(lake)
        (lake / INDEX).write_text(json.dumps(index))

        receipt = land_created(lake)

        assert (0, False) == (receipt["partitions_written"], receipt["changed"])
        assert landed[INDEX] == lake.files()[INDEX]

    def test_wrong_digest_of_rows(self, landed, lake):
        """A partition whose rows have another digest is written only if its bytes differ."""
        index = json.loads((lake / INDEX).read_text())
        for declared in index.values():
            declared["rows_sha256"] = "0" * 64
        (lake / INDEX).write_text(json.dumps(index))

        assert 0 == land_created(lake)["partitions_written"]
        assert landed[INDEX] == lake.files()[INDEX]

    def test_day_that_is_not_in_the_index(self, landed, lake):
        """A partition that no index has is removed when nobody opted out on its day."""
        (lake / "dt=2020-01-01").mkdir()
        (lake / "dt=2020-01-01/part-00000.parquet").write_bytes(b"left by a killed landing")

        assert 1 == land_created(lake)["partitions_removed"]
        assert "2020-01-01" not in partitions(lake)

    def test_stopped(self, lake):
        """A landing that is stopped between two partitions publishes nothing more."""
        destination, first = LocalFolder(lake.folder), "dt=2015-07-20/part-00000.parquet"
        land_list(destination, FIVE)
        before = lake.files()
        second = [{**each, "email": "new@example.com"} for each in FIVE]
        request = SnapshotRequest(today(), PARIS, destination, partition_by=CREATED)

        def raise_if_stopped():
            if before[first] != lake.files()[first]:
                raise LandingStopped("stopped")

        with pytest.raises(LandingStopped):
            land_snapshot(
                request, today(), lambda: stream_of(second), lambda _: None, raise_if_stopped
            )

        differing = {name for name, each in lake.files().items() if before.get(name) != each}
        assert {INDEX, first} == differing

        assert 4 == land_list(destination, second).partitions_written
        assert 0 == land_list(destination, second).partitions_written

    def test_days_that_did_not_change(self, lake):
        """Of days that did not change no file is written, not even in scratch space."""
        destination, written = LocalFolder(lake.folder), set()
        land_list(destination, FIVE)
        second = [*FIVE, {**FIVE[3], "id": 23}]
        request = SnapshotRequest(today(), PARIS, destination, partition_by=CREATED)

        def look():
            written.update(path.name for path in lake.glob(".mailpartner-landing-*/days/*"))

        land_snapshot(request, today(), lambda: stream_of(second), lambda _: None, look)

        assert {"2015-07-20.parquet"} == written

    @pytest.mark.parametrize("steps", range(6))
    def test_killed(self, lake, steps):
        """A kill before any step of publishing leaves every file whole, and the next run mends the
        rest: it rewrites the days that were about to change, and no others."""
        second = [FIVE[0], FIVE[2], {**FIVE[1], "id": 30}, {**FIVE[3], "id": 31}]
        land_list(LocalFolder(lake.folder), FIVE)
        before, stood = lake.files(), inodes(lake)

        kill(partial(land_list, records=second), lake.folder, steps)

        index = declared_digests(lake)
        for name in inodes(lake):
            sha256 = hashlib.sha256((lake / name).read_bytes()).hexdigest()
            assert index.get(name, sha256) == sha256
            assert pq.ParquetFile(lake / name).read().num_rows
        assert before[receipt_name()] == lake.files()[receipt_name()]

        receipt = land_list(LocalFolder(lake.folder), second)

        assert receipt.changed
        assert by_day(second) == partitions(lake)
        assert 0 == len(list(lake.glob(".mailpartner-landing-*")))
        kept = "dt=2025-10-26/part-00000.parquet"
        assert stood[kept] == inodes(lake)[kept]
        assert (2 if steps < 5 else 0, 3) == (receipt.partitions_written, len(inodes(lake)))
        assert receipt.to_json() == lake.files()[receipt_name()].decode()
