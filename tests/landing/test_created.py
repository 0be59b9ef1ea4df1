"""``partition_by="created"``: a partition a day of opt-out, together the list as it is now."""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import date, datetime, timedelta, timezone
from functools import partial
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.errors import BadData, LandingStopped
from mailpartner_provider.lake.layouts import CREATED, INDEX
from mailpartner_provider.lake.storage import LocalFolder
from mailpartner_provider.snapshots import landing
from tests.conftest import PARIS, THREE, TODAY, YESTERDAY, files, land, listing
from tests.support.bucket import Request, refusing
from tests.support.killed import kill
from tests.support.plain import STEADY

UNDATED = "__HIVE_DEFAULT_PARTITION__"
FIVE = [
    *THREE,
    {"id": 21, "email": "dora@example.com", "createdAt": "2015-07-20 23:59:59"},
    {"id": 22, "email": "emil@example.com", "createdAt": "2015-07-21 00:00:00"},
]


def land_list(destination, records, day=TODAY, **arguments):
    """Land a list by day of opt-out, without Airflow and the network."""
    body = json.dumps(listing(records)).encode()
    stream = UnsubscribeStream([body], PARIS, observed_at=datetime.now(timezone.utc))
    limits = landing.Limits(max_shrink=None)
    request = landing.SnapshotRequest(
        day, PARIS, destination, limits, partition_by=CREATED, **arguments
    )
    return landing.land_snapshot(request, TODAY, lambda: stream, lambda _: None)


def land_created(destination, **arguments):
    return land(destination, partition_by="created", **arguments)


def partitions(lake):
    """Read the ids in every partition, by what follows on ``dt=``."""
    names = [name for name in files(lake) if name.startswith("dt=")]
    return {
        name.partition("=")[2].partition("/")[0]: [
            row["id"] for row in pq.ParquetFile(lake / name).read().to_pylist()
        ]
        for name in names
    }


def by_day(records):
    """Sort the ids of records by the day that their ``createdAt`` shows."""
    found = {}
    for record in records:
        day = record["createdAt"][:10] if record["createdAt"] else UNDATED
        found.setdefault(day, []).append(record["id"])
    return found


def places(lake):
    """Return each partition file's identity, which changes when the file is written again."""
    return {
        str(path.relative_to(lake)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in lake.glob("dt=*/*")
    }


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
        others = {INDEX, f"_receipts/dt={TODAY}.json"}
        assert others == {name for name in files(lake) if not name.startswith("dt=")}
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

        parts = {name: each for name, each in files(lake).items() if name.startswith("dt=")}
        digests = sorted(hashlib.sha256(part).hexdigest() for part in parts.values())
        assert f"file://{lake}" == receipt["uri"]
        assert sum(map(len, parts.values())) == receipt["bytes"]
        assert receipt["sha256"] == (
            hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest()
        )
        assert (2, 2, 0) == tuple(
            receipt[f"partitions_{what}"] for what in ("written", "kept", "removed")
        )
        assert receipt == json.loads((lake / f"_receipts/dt={TODAY}.json").read_text())

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
        land_created(lake, snapshot_date=str(YESTERDAY))
        before = {name: each for name, each in files(lake).items() if "_receipts" not in name}
        stood = places(lake)

        receipt = land_created(lake)

        after = {name: each for name, each in files(lake).items() if "_receipts" not in name}
        assert (before, stood) == (after, places(lake))
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
        """Another email_mode rewrites every day."""
        land_created(lake)

        receipt = land_created(lake, email_mode="sha256")

        assert (3, 0) == (receipt["partitions_written"], receipt["partitions_kept"])
        assert not [text for text in files(lake).values() if b"example.com" in text]

    def test_terms(self, api, lake):
        """Quarantine and the guards are as ever."""
        api.unsubscribes = [*FIVE, {"id": 1}]
        with pytest.raises(BadData, match=r"raise max_rejected \(0\)"):
            land_created(lake)
        assert not lake.exists()

        land_created(lake, max_rejected=1)
        assert f"_rejected/dt={TODAY}.jsonl" in files(lake)

        before = files(lake)
        api.unsubscribes = FIVE[:2]
        with pytest.raises(BadData, match="max_shrink"):
            land_created(lake)
        assert before == files(lake)

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
        """on_empty="skip" leaves what stands there."""
        land_created(lake)
        before = files(lake)
        api.unsubscribes = []

        with pytest.raises(AirflowSkipException):
            land_created(lake, max_shrink=None, on_empty="skip")

        assert before == files(lake)


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

    @STEADY
    @given(first=records, second=records)
    def test_second_stands(self, tmp_path_factory, first, second):
        """After any two lists the destination is the second, and only what differs was written."""
        lake = tmp_path_factory.mktemp("lake")
        land_list(LocalFolder(lake), first)
        before, stood = files(lake), places(lake)

        receipt = land_list(LocalFolder(lake), second)

        after = files(lake)
        key = ds.partitioning(pa.schema([("dt", pa.date32())]), flavor="hive")
        table = ds.dataset(lake, partitioning=key).to_table()
        assert sorted(
            (record["id"], record["email"], (record["createdAt"] or "None")[:10])
            for record in second
        ) == sorted((row["id"], row["email"], str(row["dt"])) for row in table.to_pylist())
        assert table["dt"] == table["created_date"]
        if second:
            assert by_day(second) == partitions(lake)
        rewritten = {name for name, place in places(lake).items() if stood.get(name) != place}
        assert {name for name in places(lake) if before.get(name) != after[name]} == rewritten
        gone = stood.keys() - places(lake).keys()
        assert (len(rewritten), len(gone)) == (
            receipt.partitions_written,
            receipt.partitions_removed,
        )
        assert bool(rewritten or gone) == receipt.changed


class TestLate:
    def test_newer_list_stays(self, api, lake):
        """A landing for an earlier day than the newest keeps the newer list, and asks nothing."""
        land_created(lake)
        before, asked = files(lake), len(api.asked)
        api.unsubscribes = THREE[:1]

        receipt = land_created(lake, snapshot_date=str(YESTERDAY))

        assert before == files(lake)
        assert (str(TODAY), False) == (receipt["snapshot_date"], receipt["changed"])
        assert asked == len(api.asked)

    def test_nothing_newer(self, api, lake):
        """A late landing holds what was created before the end of its day, undated people too; the
        next landing brings the others."""
        api.unsubscribes = [*THREE, {**FIVE[4], "createdAt": f"{TODAY} 00:00:00"}]

        late = land_created(lake, snapshot_date=str(YESTERDAY))
        assert str(TODAY) not in partitions(lake)
        assert ("backdated", 1) == (late["status"], late["after_cutoff"])

        assert 1 == land_created(lake)["partitions_written"]
        assert [22] == partitions(lake)[str(TODAY)]

    def test_live_stays(self, api, lake):
        """A late landing of a day keeps the live list of that day."""
        land_created(lake, snapshot_date=str(YESTERDAY))
        place = lake / f"_receipts/dt={YESTERDAY}.json"
        place.write_text(place.read_text().replace('"backdated"', '"live"'))
        before = files(lake)
        api.unsubscribes = THREE[:2]

        assert 3 == land_created(lake, snapshot_date=str(YESTERDAY))["rows"]
        assert before == files(lake)

    def test_live_but_damaged(self, api, lake, log):
        """It keeps nothing when a landing was killed since, whose partitions stand there."""
        land_created(lake, snapshot_date=str(YESTERDAY))
        place = lake / f"_receipts/dt={YESTERDAY}.json"
        place.write_text(place.read_text().replace('"backdated"', '"live"'))
        (lake / INDEX).write_text("{}")

        assert 3 == land_created(lake, snapshot_date=str(YESTERDAY))["partitions_written"]
        assert "landing it again" in log()

    def test_history(self, api, lake):
        """The receipt names the list of an earlier day."""
        land_created(lake, snapshot_date=str(TODAY - timedelta(days=9)))

        assert str(TODAY - timedelta(days=9)) == land_created(lake)["previous_snapshot_date"]


class TestMixedLayouts:
    @pytest.mark.parametrize("day", [TODAY - timedelta(days=5), TODAY - timedelta(days=1), TODAY])
    @pytest.mark.parametrize("layout", ["snapshot", "created"])
    def test_refused(self, api, lake, layout, day):
        """A destination is of one layout, for any day; the other is refused before anything is
        asked."""
        land(lake, partition_by=layout, snapshot_date=str(YESTERDAY))
        before, asked = files(lake), len(api.asked)
        (other,) = {"snapshot", "created"} - {layout}

        with pytest.raises(AirflowFailException, match=f"partition_by: .* is of '{layout}'"):
            land(lake, partition_by=other, snapshot_date=str(day))

        assert before == files(lake)
        assert asked == len(api.asked)

    def test_partitions_of_nobody(self, api, lake):
        """Partitions that no receipt and no index accounts for are not touched."""
        land(lake)
        (lake / f"_receipts/dt={TODAY}.json").unlink()
        before = files(lake)

        with pytest.raises(
            AirflowFailException, match="destination: .*dt=.* choose another folder"
        ):
            land_created(lake)

        assert before == files(lake)

    def test_foreign_files(self, api, lake):
        """Files of others are left alone, and are no partitions."""
        for name in ("README", "dt=2020-01-01/part-00007.parquet", "dt=x/part-00000.parquet"):
            (lake / name).parent.mkdir(parents=True, exist_ok=True)
            (lake / name).write_text("mine")
        before = files(lake)

        land_created(lake)

        assert before.items() <= files(lake).items()


class TestMended:
    @pytest.fixture
    def landed(self, api, lake):
        api.unsubscribes = FIVE
        land_created(lake)
        return files(lake)

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

        del landed[f"_receipts/dt={TODAY}.json"]
        assert landed.items() <= files(lake).items()

    def test_day_that_is_not_in_the_index(self, landed, lake):
        """A day that stands there and in no index is removed when nobody opted out on it."""
        (lake / "dt=2020-01-01").mkdir()
        (lake / "dt=2020-01-01/part-00000.parquet").write_bytes(b"left by a killed landing")

        assert 1 == land_created(lake)["partitions_removed"]
        assert "2020-01-01" not in partitions(lake)

    def test_stopped(self, lake):
        """A landing that is stopped between two partitions publishes nothing more."""
        destination, first = LocalFolder(lake), "dt=2015-07-20/part-00000.parquet"
        land_list(destination, FIVE)
        before = files(lake)
        second = [{**each, "email": "new@example.com"} for each in FIVE]
        stream = UnsubscribeStream(
            [json.dumps(listing(second)).encode()],
            PARIS,
            observed_at=datetime.now(timezone.utc),
        )
        request = landing.SnapshotRequest(TODAY, PARIS, destination, partition_by=CREATED)

        def heartbeat(_):
            if before[first] != files(lake)[first]:
                raise LandingStopped("stopped")

        with pytest.raises(LandingStopped):
            landing.land_snapshot(request, TODAY, lambda: stream, heartbeat)

        differing = {name for name, each in files(lake).items() if before.get(name) != each}
        assert {INDEX, first} == differing

        assert 4 == land_list(destination, second).partitions_written
        assert 0 == land_list(destination, second).partitions_written

    @pytest.mark.parametrize("steps", range(7))
    def test_killed(self, lake, steps):
        """A kill before any step of publishing leaves every file whole, and the next run mends the
        rest: it rewrites the days that were about to change, and no others."""
        second = [FIVE[0], FIVE[2], {**FIVE[1], "id": 30}, {**FIVE[3], "id": 31}]
        land_list(LocalFolder(lake), FIVE)
        before, stood = files(lake), places(lake)

        kill(partial(land_list, records=second), lake, steps)

        index = json.loads((lake / INDEX).read_text())
        for name in places(lake):
            sha256 = hashlib.sha256((lake / name).read_bytes()).hexdigest()
            assert index.get(name, sha256) == sha256
            assert pq.ParquetFile(lake / name).read().num_rows
        assert before[f"_receipts/dt={TODAY}.json"] == files(lake)[f"_receipts/dt={TODAY}.json"]

        receipt = land_list(LocalFolder(lake), second)

        assert receipt.changed
        assert by_day(second) == partitions(lake)
        assert 0 == len(list(lake.glob(".mailpartner-landing-*")))
        kept = "dt=2025-10-26/part-00000.parquet"
        assert stood[kept] == places(lake)[kept]
        assert (2 if steps < 5 else 0, 3) == (receipt.partitions_written, len(places(lake)))
        assert receipt.to_json() == files(lake)[f"_receipts/dt={TODAY}.json"].decode()


class TestObjectStore:
    lake = "s3://aws_default@lake/unsubscribes"

    @pytest.fixture(autouse=True)
    def temporary_files(self, tmp_path, monkeypatch):
        """A folder for temporary files that is this test's own, and empty when it is over."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        yield
        assert [] == list(tmp_path.iterdir())

    def test_what_lies_there(self, api, bucket):
        """A list is landed, changed, emptied, with the same files as in a folder."""
        api.unsubscribes = FIVE
        receipt = land_created(self.lake)
        days = ["2015-07-20", "2015-07-21", "2025-10-26", UNDATED]
        names = {f"unsubscribes/dt={day}/part-00000.parquet" for day in days}
        others = {f"unsubscribes/{INDEX}", f"unsubscribes/_receipts/dt={TODAY}.json"}
        assert names | others == set(bucket)
        assert "s3://lake/unsubscribes" == receipt["uri"]

        api.unsubscribes = []
        receipt = land_created(self.lake, max_shrink=None)
        names = {f"unsubscribes/dt={UNDATED}/part-00000.parquet"}
        assert names | others == set(bucket)
        assert 3 == receipt["partitions_removed"]

    def test_few_requests(self, api, bucket):
        """A daily landing asks fourteen times and once more for each day that changed, however many
        days there are; one that finds the same list asks twelve times."""
        api.unsubscribes = [
            {"id": n, "email": "a@example.com", "createdAt": f"{2000 + n}-01-01 00:00:00"}
            for n in range(25)
        ]
        land_created(self.lake, snapshot_date=str(TODAY - timedelta(days=2)))
        land_created(self.lake, snapshot_date=str(YESTERDAY))
        bucket.asked.clear()

        land_created(self.lake)
        assert 12 == len(bucket.asked), bucket.asked
        bucket.asked.clear()

        api.unsubscribes = [*api.unsubscribes, {**FIVE[4], "createdAt": "2002-01-01 00:00:00"}]
        assert 1 == land_created(self.lake)["partitions_written"]
        assert 15 == len(bucket.asked), bucket.asked
        day, receipt = "dt=2002-01-01/part-00000.parquet", f"_receipts/dt={TODAY}.json"
        assert [f"PUT /lake/unsubscribes/{name}" for name in (INDEX, day, INDEX, receipt)] == [
            asked for asked in bucket.asked if asked.startswith("PUT")
        ]

    def test_refused(self, api, bucket):
        """A PUT that is refused midway is mended by the next run."""
        api.unsubscribes = FIVE
        land_created(self.lake)
        api.unsubscribes = [{**each, "email": "new@example.com"} for each in FIVE]
        place = "unsubscribes/dt=2015-07-21/part-00000.parquet"
        bucket.fault = refusing(f"PUT /lake/{place}")
        with pytest.raises(OSError, match=f"^cannot write s3://lake/{place}: Access Denied$"):
            land_created(self.lake)
        bucket.fault = Request.answer

        assert 4 == land_created(self.lake)["partitions_written"]
        assert not land_created(self.lake)["changed"]

    def test_removed_by_others(self, api, bucket):
        """A partition that another process removed since the last landing is put back."""
        land_created(self.lake)
        del bucket["unsubscribes/dt=2015-07-20/part-00000.parquet"]

        assert 1 == land_created(self.lake)["partitions_written"]
