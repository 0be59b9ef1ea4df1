"""A landing replaces the partition whole, or changes nothing: rules 5 and 6."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.errors import RequestFailed
from tests.support.api import THREE, cut_off, listing
from tests.support.days import today, yesterday
from tests.support.lake import partition_name
from tests.support.landing import land


class TestRule5AllOrNothing:
    def test_verified_file(self, api, lake):
        """The file is complete: its footer counts the rows of the receipt."""
        receipt = land(lake)

        footer = pq.ParquetFile(lake.partition()).metadata
        assert receipt["rows"] == footer.num_rows

    @pytest.mark.parametrize("good_bytes", [0, 1, 60, 200])
    def test_old_partition_survives(self, api, lake, good_bytes):
        """A connection lost at any moment leaves the old partition readable and whole."""
        land(lake)
        before = lake.files()
        body = json.dumps(listing(THREE[:2])).encode()
        api.script(*[cut_off(body[:good_bytes])] * 4)

        with pytest.raises(RequestFailed):
            land(lake)

        assert before == lake.files()

    def test_nothing_else_is_left(self, api, lake):
        """Nothing but partitions, receipts and quarantine is ever left behind."""
        land(lake)

        day = today()
        names = {f"dt={day}/part-00000.parquet", f"_receipts/dt={day}.json"}
        assert names == set(lake.files())

    def test_receipt_last(self, api, lake):
        """The receipt is written last, after the partition is in its place."""
        land(lake)

        placed_at = lake.partition().stat().st_ctime_ns
        assert placed_at <= lake.receipt_path().stat().st_ctime_ns


class TestRule6FreeOfEffects:
    def test_same_answer(self, api, lake):
        """Same answer: same bytes, and changed is false."""
        first, before = land(lake), lake.files()[partition_name()]

        second = land(lake)

        assert (True, False) == (first["changed"], second["changed"])
        assert first["sha256"] == second["sha256"]
        assert before == lake.files()[partition_name()]

    def test_other_run(self, api, lake, tmp_path):
        """No clock and no run id is inside the file: another destination gets the same bytes."""
        assert land(lake)["sha256"] == land(tmp_path / "other", max_shrink=None)["sha256"]

    def test_history_stays(self, api, lake):
        """Landing a day again does not make the day its own predecessor."""
        land(lake, yesterday())

        before = [land(lake)["previous_snapshot_date"] for _ in range(2)]

        assert [str(yesterday())] * 2 == before
