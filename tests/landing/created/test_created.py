"""``partition_by="created"``: a partition a day of opt-out, together the list as it is now."""

from __future__ import annotations

import hashlib
import shutil
from datetime import date, datetime
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.compat import AirflowFailException, AirflowSkipException
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.layouts import INDEX
from mailpartner_provider.lake.local import LocalFolder
from tests.support.created import (
    FIVE,
    UNDATED,
    by_day,
    inodes,
    land_created,
    land_list,
    partitions,
)
from tests.support.days import yesterday
from tests.support.lake import Lake, quarantine_name, receipt_name
from tests.support.landing import land


class TestLanding:
    def test_what_lies_there(self, api, lake):
        """A partition holds the people who opted out on a day; undated ones have their own."""
        api.unsubscribes = FIVE

        receipt = land_created(lake)

        assert {
            "2015-07-20": [19, 21],
            "2015-07-21": [22],
            "2025-10-26": [9007199254740993],
            UNDATED: [20],
        } == partitions(lake)
        others = {INDEX, receipt_name()}
        assert others == {name for name in lake.files() if not name.startswith("dt=")}
        assert ("created", 5, True) == (
            receipt["partition_by"],
            receipt["rows"],
            receipt["changed"],
        )

    def test_receipt(self, api, lake):
        """The receipt names the destination, and covers all files: their bytes, their digests,
        and how many were written, kept and removed."""
        api.unsubscribes = FIVE
        land_created(lake)
        api.unsubscribes = [*FIVE[1:], {**FIVE[4], "id": 23}]

        receipt = land_created(lake)

        parts = {name: each for name, each in lake.files().items() if name.startswith("dt=")}
        digests = sorted(hashlib.sha256(part).hexdigest() for part in parts.values())
        assert f"file://{lake}" == receipt["uri"]
        assert sum(map(len, parts.values())) == receipt["bytes"]
        assert receipt["sha256"] == (
            hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest()
        )
        assert (2, 2, 0) == tuple(
            receipt[f"partitions_{what}"] for what in ("written", "kept", "removed")
        )
        assert receipt == lake.receipt()

    def test_day_that_became_empty(self, api, lake):
        """A day on which nobody is left is removed, folder and all."""
        api.unsubscribes = FIVE
        land_created(lake)
        api.unsubscribes = FIVE[:4]

        receipt = land_created(lake)

        assert not (lake / "dt=2015-07-21").exists()
        assert (0, 3, 1, True) == (
            receipt["partitions_written"],
            receipt["partitions_kept"],
            receipt["partitions_removed"],
            receipt["changed"],
        )

    def test_same_list(self, api, lake):
        """The same list writes nothing but the receipt, the next day too."""
        land_created(lake, yesterday())
        before = {name: each for name, each in lake.files().items() if "_receipts" not in name}
        stood = inodes(lake)

        receipt = land_created(lake)

        after = {name: each for name, each in lake.files().items() if "_receipts" not in name}
        assert (before, stood) == (after, inodes(lake))
        assert not receipt["changed"]
        assert (0, 3, 0) == (
            receipt["partitions_written"],
            receipt["partitions_kept"],
            receipt["partitions_removed"],
        )

    def test_snapshots_count_no_partitions(self, api, lake):
        """The receipt of a snapshot has no counts of partitions."""
        receipt = land(lake)

        assert [None] * 3 == [receipt[f"partitions_{x}"] for x in ("written", "kept", "removed")]

    def test_zone(self, api, lake):
        """The day is that of the time zone."""
        api.unsubscribes = [{**FIVE[4], "createdAt": "2015-07-20T22:00:00Z"}]
        today = datetime.now(ZoneInfo("America/Sao_Paulo")).date().isoformat()

        land_created(lake, timezone="Europe/Paris", snapshot_date=today)
        assert {"2015-07-21": [22]} == partitions(lake)

        land_created(lake, timezone="America/Sao_Paulo", snapshot_date=today)
        assert {"2015-07-20": [22]} == partitions(lake)

    def test_email_mode(self, api, lake):
        """Another email_mode is refused; elsewhere it lands."""
        land_created(lake)
        with pytest.raises(AirflowFailException, match="email_mode of .* is 'plain', not 'sha256'"):
            land_created(lake, email_mode="sha256")
        shutil.rmtree(lake)

        assert 3 == land_created(lake, email_mode="sha256")["partitions_written"]

        assert not [text for text in lake.files().values() if b"example.com" in text]

    def test_terms(self, api, lake):
        """Quarantine and the guards are as ever."""
        api.unsubscribes = [*FIVE, {"id": 1}]
        with pytest.raises(BadData, match=r"raise max_rejected \(0\)"):
            land_created(lake)
        assert not lake.exists()

        land_created(lake, max_rejected=1)
        assert quarantine_name() in lake.files()

        before = lake.files()
        api.unsubscribes = FIVE[:2]
        with pytest.raises(BadData, match="max_shrink"):
            land_created(lake)
        assert before == lake.files()

    @pytest.mark.parametrize("landed_before", [True, False])
    def test_empty_list(self, api, lake, landed_before):
        """An empty list is one undated partition without rows, so that readers find the columns."""
        if landed_before:
            land_created(lake)
        api.unsubscribes = []

        receipt = land_created(lake, max_shrink=None)

        assert {UNDATED: []} == partitions(lake)
        assert (0, 2 if landed_before else 0) == (receipt["rows"], receipt["partitions_removed"])
        assert not land_created(lake)["changed"]

    def test_empty_list_skipped(self, api, lake):
        """on_empty="skip" leaves the list that is there."""
        land_created(lake)
        before = lake.files()
        api.unsubscribes = []

        with pytest.raises(AirflowSkipException):
            land_created(lake, max_shrink=None, on_empty="skip")

        assert before == lake.files()


class TestReaders:
    def test_duckdb(self, api, lake):
        """DuckDB reads the list, by day, undated people included."""
        api.unsubscribes = FIVE
        land_created(lake)

        found = duckdb.sql(
            f"SELECT created_date, count(*) FROM read_parquet('{lake}/dt=*/*.parquet') "
            "GROUP BY created_date ORDER BY created_date NULLS LAST"
        ).fetchall()

        assert [2, 1, 1, 1] == [count for _, count in found]
        assert [date(2015, 7, 20), None] == [found[0][0], found[-1][0]]


class TestAnyTwoLists:
    records = st.lists(
        st.builds(
            lambda key, name, day: {
                "id": key,
                "email": f"{name}@example.com",
                "createdAt": day and f"2026-03-{day:02} 02:30:00",
            },
            st.integers(0, 9),
            st.sampled_from("ab"),
            st.none() | st.integers(25, 31),
        ),
        max_size=8,
    )

    @given(first=records, second=records)
    def test_second_stands(self, tmp_path_factory, first, second):
        """After any two lists the destination is the second, and only what differs was written."""
        lake = Lake(tmp_path_factory.mktemp("lake"))
        land_list(LocalFolder(lake.folder), first)
        before, stood = lake.files(), inodes(lake)

        receipt = land_list(LocalFolder(lake.folder), second)

        after = lake.files()
        key = ds.partitioning(pa.schema([("dt", pa.date32())]), flavor="hive")
        table = ds.dataset(lake.folder, partitioning=key).to_table()
        assert sorted(
            (record["id"], record["email"], (record["createdAt"] or "None")[:10])
            for record in second
        ) == sorted((row["id"], row["email"], str(row["dt"])) for row in table.to_pylist())
        assert table["dt"] == table["created_date"]
        if second:
            assert by_day(second) == partitions(lake)
        rewritten = {name for name, place in inodes(lake).items() if stood.get(name) != place}
        assert {name for name in inodes(lake) if before.get(name) != after[name]} == rewritten
        gone = stood.keys() - inodes(lake).keys()
        assert (len(rewritten), len(gone)) == (
            receipt.partitions_written,
            receipt.partitions_removed,
        )
        assert bool(rewritten or gone) == receipt.changed
