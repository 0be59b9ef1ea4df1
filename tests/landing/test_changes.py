"""The rules that changes keep, each said and shown, through the operator and real files."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from mailpartner_provider.errors import BadData, LandingStopped
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.conftest import THREE, TODAY, YESTERDAY, files, land
from tests.support.bucket import refusing
from tests.support.snapshots import COLUMNS, put_snapshot

AT = datetime(2015, 7, 20, 8, 19, 45, tzinfo=timezone.utc)
ANNE = (1, "anne@example.com", AT, None)
BJORN = (2, "björn@example.com", None, None)
CARLA = (3, "Carla@Example.com", AT, '{"reason":"spam"}')
DORA = (4, "dora@example.com", AT, None)
LONG_AGO = TODAY - timedelta(days=40)


@pytest.fixture
def feed(tmp_path):
    """A destination that does not exist yet."""
    return tmp_path / "lake" / "changes"


def operator(source, destination, **arguments) -> UnsubscribeChangesOperator:
    arguments = {"snapshot_date": str(TODAY), "max_removed": None, **arguments}
    return UnsubscribeChangesOperator(
        task_id="tell", source=str(source), destination=str(destination), **arguments
    )


def tell(source, destination, **arguments):
    """Land the changes as a task does; give the receipt."""
    return operator(source, destination, **arguments).execute({})


def table(destination, day=TODAY) -> pa.Table:
    return pq.ParquetFile(destination / f"dt={day}" / "part-00000.parquet").read()


def changes(destination: Path, day=TODAY):
    """Read changes back: change, and the record."""
    rows = table(destination, day).to_pylist()
    return [
        (row["change"], (row["id"], row["email"], row["created_at"], row["extra_fields"]))
        for row in rows
    ]


class TestById:
    def test_each_kind(self, lake, feed):
        """An id of this snapshot alone was added, one of the previous alone was removed, and is
        given as it stood; one with another record was changed, and is given as it stands."""
        put_snapshot(lake, YESTERDAY, [ANNE, BJORN, CARLA])
        put_snapshot(lake, TODAY, [DORA, (2, "b@example.com", None, None), CARLA])

        receipt = tell(lake, feed)

        assert [
            ("added", DORA),
            ("changed", (2, "b@example.com", None, None)),
            ("removed", ANNE),
        ] == changes(feed)
        assert (3, 1, 1, 1) == (
            receipt["rows"],
            receipt["added"],
            receipt["removed"],
            receipt["changed_records"],
        )

    def test_same_count(self, lake, feed):
        """One who leaves and one who comes on the same day are both seen, though the counts are
        equal."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])

        tell(lake, feed)

        assert [("added", BJORN), ("removed", ANNE)] == changes(feed)

    @pytest.mark.parametrize(
        "other",
        [
            (1, "Anne@example.com", AT, None),
            (1, "anne@example.com", None, None),
            (1, "anne@example.com", AT + timedelta(microseconds=1), None),
            (1, "anne@example.com", AT, ""),
        ],
    )
    def test_changed(self, lake, feed, other):
        """Another e-mail, created_at or extra_fields is a change, to null and from null too."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [other])
        tell(lake, feed)
        assert [("changed", other)] == changes(feed)

        put_snapshot(lake, YESTERDAY, [other])
        put_snapshot(lake, TODAY, [ANNE])
        tell(lake, feed)
        assert [("changed", ANNE)] == changes(feed)

    def test_nothing(self, lake, feed):
        """A day without changes is a partition without rows."""
        put_snapshot(lake, YESTERDAY, [ANNE, BJORN])
        put_snapshot(lake, TODAY, [BJORN, ANNE])

        assert 0 == tell(lake, feed)["rows"]
        assert [] == changes(feed)

    def test_first(self, lake, feed):
        """Of the very first snapshot everything was added, since no date."""
        put_snapshot(lake, TODAY, [BJORN, ANNE])

        receipt = tell(lake, feed, max_removed=0)

        assert [("added", ANNE), ("added", BJORN)] == changes(feed)
        assert [None] * 2 == table(feed).column("previous_snapshot_date").to_pylist()
        assert receipt["previous_snapshot_date"] is receipt["previous_sha256"] is None


class TestDuplicates:
    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        [
            ([ANNE, ANNE], [ANNE], [("changed", ANNE)]),
            ([ANNE], [ANNE, ANNE], [("changed", ANNE), ("changed", ANNE)]),
            ([ANNE, ANNE], [], [("removed", ANNE), ("removed", ANNE)]),
            ([], [ANNE, ANNE], [("added", ANNE), ("added", ANNE)]),
            ([ANNE, (1, "a@example.com", None, None)], [ANNE], [("changed", ANNE)]),
            (
                [ANNE, (1, "z@example.com", None, None)],
                [(1, "z@example.com", None, None), ANNE],
                [],
            ),
        ],
    )
    def test_of_an_id(self, lake, feed, before, now, expected):
        """All records of an id are compared, each as often as it stands there: an id that is still
        listed is never removed, and a changed one is given with all its records."""
        put_snapshot(lake, YESTERDAY, [*before, DORA])
        put_snapshot(lake, TODAY, [DORA, *now])

        tell(lake, feed)

        assert expected == changes(feed)


class TestWhichSnapshots:
    def test_gap(self, lake, feed):
        """After a gap of days, every row and the receipt name the day compared with."""
        put_snapshot(lake, LONG_AGO, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])

        receipt = tell(lake, feed)

        assert str(LONG_AGO) == receipt["previous_snapshot_date"]
        assert [TODAY] * 2 == table(feed).column("snapshot_date").to_pylist()
        assert [LONG_AGO] * 2 == table(feed).column("previous_snapshot_date").to_pylist()

    def test_backdated_before(self, lake, feed):
        """A backdated snapshot is never the one compared with: it lacks those removed since."""
        put_snapshot(lake, LONG_AGO, [ANNE, BJORN])
        put_snapshot(lake, YESTERDAY, [ANNE], status="backdated")
        put_snapshot(lake, TODAY, [ANNE, CARLA])

        tell(lake, feed)

        assert [("added", CARLA), ("removed", BJORN)] == changes(feed)
        assert {LONG_AGO} == set(table(feed).column("previous_snapshot_date").to_pylist())

    def test_only_backdated_before(self, lake, feed):
        """The first live snapshot is the very first one, whatever was landed backdated."""
        put_snapshot(lake, YESTERDAY, [ANNE], status="backdated")
        put_snapshot(lake, TODAY, [ANNE])

        assert tell(lake, feed)["previous_snapshot_date"] is None
        assert [("added", ANNE)] == changes(feed)

    def test_backdated(self, lake, feed):
        """The changes of a backdated snapshot are not told: the task is skipped, and publishes
        nothing."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN], status="backdated")

        with pytest.raises(AirflowSkipException, match=f"snapshot of {TODAY} is backdated"):
            tell(lake, feed)

        assert not feed.exists()

    def test_not_landed(self, lake, feed):
        """A day without a receipt has not been landed, whatever file lies there."""
        put_snapshot(lake, TODAY, [ANNE])
        (lake / f"_receipts/dt={TODAY}.json").unlink()

        with pytest.raises(
            BadData, match=f"has no readable receipt of {TODAY}: land that day first"
        ):
            tell(lake, feed)

        assert not feed.exists()

    def test_unreadable_before(self, lake, feed, log):
        """A day before whose receipt cannot be read has not been landed either, and is named."""
        put_snapshot(lake, LONG_AGO, [ANNE])
        put_snapshot(lake, YESTERDAY, [BJORN])
        (lake / f"_receipts/dt={YESTERDAY}.json").write_text('{"rows": 1')
        put_snapshot(lake, TODAY, [ANNE])

        assert str(LONG_AGO) == tell(lake, feed)["previous_snapshot_date"]
        assert f"Ignoring unreadable receipt file://{lake}/_receipts/dt={YESTERDAY}.json" in log()

    def test_receipt_of_another_day(self, lake, feed, log):
        """A receipt under the name of another day is none."""
        put_snapshot(lake, LONG_AGO, [ANNE])
        receipts = lake / "_receipts"
        copy = (receipts / f"dt={LONG_AGO}.json").read_text()
        (receipts / f"dt={TODAY}.json").write_text(copy)

        with pytest.raises(BadData, match="no readable receipt"):
            tell(lake, feed)

        assert f"it is the receipt of {LONG_AGO}" in log()

    @pytest.mark.parametrize("day", [YESTERDAY, TODAY])
    def test_other_file(self, lake, feed, day):
        """A file that is not the one that its receipt names is not compared."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])
        receipt = (lake / f"_receipts/dt={day}.json").read_text()
        put_snapshot(lake, day, [CARLA])
        (lake / f"_receipts/dt={day}.json").write_text(receipt)

        with pytest.raises(BadData, match=f"dt={day}/.* does not match its receipt"):
            tell(lake, feed)

        assert not feed.exists()

    @pytest.mark.parametrize("day", [YESTERDAY, TODAY])
    def test_no_file(self, lake, feed, day):
        """A file that is gone is not taken for an empty one."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])
        (lake / f"dt={day}/part-00000.parquet").unlink()

        with pytest.raises(BadData, match=f"dt={day}/.* is missing, and its receipt exists"):
            tell(lake, feed)

        assert not feed.exists()

    @pytest.mark.parametrize("day", [YESTERDAY, TODAY])
    def test_other_count(self, lake, feed, day):
        """Changes that do not lead from one receipt's count to the other's are not published."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [ANNE])
        put_snapshot(lake, day, [ANNE], rows=7)

        with pytest.raises(BadData, match="records, 0 added and 0 removed do not make the"):
            tell(lake, feed)

        assert not feed.exists()

    def test_other_partitions(self, lake, feed):
        """Partitions by created_at are no snapshots."""
        put_snapshot(lake, TODAY, [ANNE], partition_by="created")

        with pytest.raises(AirflowFailException, match="landed with partition_by='created'"):
            tell(lake, feed)


class TestMaxRemoved:
    people = [(key, "a@example.com", None, None) for key in range(100)]

    @pytest.mark.parametrize(
        ("removed", "max_removed", "passes"),
        [(50, 0.5, True), (51, 0.5, False), (57, 0.57, True), (1, 0, False), (100, 1, True),
         (100, None, True), (0, 0, True)],
    )  # fmt: skip
    def test_share(self, lake, feed, removed, max_removed, passes):
        """A removal of exactly the share passes, more fails; None turns the guard off."""
        put_snapshot(lake, YESTERDAY, self.people)
        put_snapshot(lake, TODAY, self.people[removed:])

        if passes:
            assert removed == tell(lake, feed, max_removed=max_removed)["removed"]
        else:
            with pytest.raises(BadData, match=f"^{removed} of 100 records .* max_removed"):
                tell(lake, feed, max_removed=max_removed)
            assert not feed.exists()

    def test_other_account(self, lake, feed):
        """A list of the same length, and of other people, fails by default: the landing's guard,
        which counts, cannot see it."""
        put_snapshot(lake, YESTERDAY, self.people)
        put_snapshot(lake, TODAY, [(key + 100, *rest) for key, *rest in self.people])
        task = UnsubscribeChangesOperator(
            task_id="tell", source=str(lake), destination=str(feed), snapshot_date=str(TODAY)
        )

        with pytest.raises(BadData, match="the list is of the same account"):
            task.execute({})


class TestColumns:
    def test_order_and_types(self, lake, feed):
        """The columns are those of the snapshot and two more, typed, in a fixed order."""
        put_snapshot(lake, TODAY, [ANNE])

        tell(lake, feed)

        assert pa.schema(
            [
                pa.field("change", pa.string(), nullable=False),
                pa.field("id", pa.int64(), nullable=False),
                pa.field("email", pa.string(), nullable=False),
                pa.field("created_at", pa.timestamp("us", tz="UTC")),
                pa.field("snapshot_date", pa.date32(), nullable=False),
                pa.field("previous_snapshot_date", pa.date32()),
                pa.field("extra_fields", pa.string()),
            ]
        ) == pq.read_schema(feed / f"dt={TODAY}" / "part-00000.parquet")

    @pytest.mark.parametrize("email", [["email_sha256"], ["email_hmac"], []])
    def test_of_the_source(self, lake, feed, email):
        """Whatever e-mail column the snapshots have, if any, the changes have."""
        columns = COLUMNS.remove(1)
        for name in email:
            columns = columns.insert(1, pa.field(name, pa.string(), nullable=False))
        record = [1, *("0a" for _ in email), AT, None]
        put_snapshot(lake, YESTERDAY, [record], columns)
        put_snapshot(lake, TODAY, [[2, *record[1:]]], columns)

        tell(lake, feed)

        assert ["change", "id", *email, "created_at"] == table(feed).column_names[: 3 + len(email)]
        assert ["added", "removed"] == table(feed).column("change").to_pylist()

    def test_other_columns(self, lake, feed):
        """Snapshots of other columns are not compared; the error says what that means."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        columns = COLUMNS.set(1, pa.field("email_sha256", pa.string(), nullable=False))
        put_snapshot(lake, TODAY, [(1, "0a", AT, None)], columns)

        with pytest.raises(
            BadData, match=f"snapshot of {TODAY} has other columns .*email_mode.*'email_sha256'"
        ):
            tell(lake, feed)

        assert not feed.exists()

    def test_writer(self, lake, feed):
        """The file is written as snapshots are: zstd, row groups of 131,072, a page index."""
        people = [(key, f"{key}@example.com", AT, None) for key in range(140_000)]
        put_snapshot(lake, TODAY, people)

        tell(lake, feed)

        footer = pq.ParquetFile(feed / f"dt={TODAY}" / "part-00000.parquet").metadata
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        assert [131_072, 140_000 - 131_072] == [group.num_rows for group in groups]
        assert "ZSTD" == groups[0].column(2).compression
        assert groups[0].column(2).has_offset_index
        assert [person[0] for person in people] == table(feed).column("id").to_pylist()


class TestReceipt:
    def test_members(self, lake, feed):
        """The receipt is flat, tells both snapshots by their digests, and equals the one in the
        destination."""
        before = put_snapshot(lake, YESTERDAY, [ANNE])
        now = put_snapshot(lake, TODAY, [BJORN])

        receipt = tell(lake, feed)

        assert json.loads(files(feed)[f"_receipts/dt={TODAY}.json"]) == receipt
        assert {str, int, bool, type(None)} >= {type(value) for value in receipt.values()}
        assert ("mailpartner.unsubscribe_changes", "live") == (
            receipt["dataset"],
            receipt["status"],
        )
        assert (now.sha256, before.sha256) == (receipt["source_sha256"], receipt["previous_sha256"])
        assert f"file://{lake}/dt={TODAY}/part-00000.parquet" == receipt["source_uri"]
        assert f"file://{feed}/dt={TODAY}/part-00000.parquet" == receipt["uri"]
        assert len(files(feed)[f"dt={TODAY}/part-00000.parquet"]) == receipt["bytes"]

    def test_nothing_personal(self, lake, feed, log):
        """Neither the receipt nor the log has an address."""
        put_snapshot(lake, YESTERDAY, [ANNE, BJORN])
        put_snapshot(lake, TODAY, [CARLA])

        told = json.dumps(tell(lake, feed))
        with pytest.raises(BadData) as caught:
            tell(lake, feed, max_removed=0.1)

        for text in (told, log(), str(caught.value)):
            assert "@example.com" not in text.lower()
        assert "1 records added, 2 removed, 0 changed" in log()


class TestAllOrNothing:
    def test_again(self, lake, feed):
        """The same snapshots give the same bytes, and changed is false."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])
        first, before = tell(lake, feed), files(feed)

        second = tell(lake, feed)

        assert (True, False) == (first["changed"], second["changed"])
        assert (
            before[f"dt={TODAY}/part-00000.parquet"]
            == files(feed)[f"dt={TODAY}/part-00000.parquet"]
        )

    def test_killed_before_its_receipt(self, lake, feed):
        """Changes that no receipt has declared are a change, though their file stands there."""
        put_snapshot(lake, TODAY, [ANNE])
        tell(lake, feed)
        (feed / f"_receipts/dt={TODAY}.json").unlink()

        assert tell(lake, feed)["changed"]

    def test_landed_again(self, lake, feed):
        """Where the snapshot was replaced by a later one of its day, so are the changes."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [])
        tell(lake, feed)
        put_snapshot(lake, TODAY, [ANNE])

        assert tell(lake, feed)["changed"]
        assert [] == changes(feed)

    def test_source_stays(self, lake, feed):
        """The source is only read."""
        put_snapshot(lake, YESTERDAY, [ANNE])
        put_snapshot(lake, TODAY, [BJORN])
        before = files(lake)

        tell(lake, feed)

        assert before == files(lake)
        assert {f"dt={TODAY}/part-00000.parquet", f"_receipts/dt={TODAY}.json"} == set(files(feed))

    def test_into_the_source(self, lake, tmp_path):
        """Changes never replace a snapshot, by whatever name its folder goes."""
        put_snapshot(lake, TODAY, [ANNE])
        (tmp_path / "link").symlink_to(lake)
        before = files(lake)

        for place in (lake, tmp_path / "link", f"{lake}/../unsubscribes", f"file://{lake}"):
            with pytest.raises(AirflowFailException, match=r"holds mailpartner\.unsubscribes"):
                tell(lake, place)

        assert before == files(lake)

    def test_stopped(self, lake, feed):
        """What on_kill stops publishes nothing."""
        put_snapshot(lake, TODAY, [ANNE])
        task = operator(lake, feed)
        task.on_kill()

        with pytest.raises(LandingStopped):
            task.execute({})

        assert not feed.exists()

    def test_old_changes_survive(self, lake, feed):
        """Whatever goes wrong leaves the changes that stand there."""
        put_snapshot(lake, TODAY, [ANNE])
        tell(lake, feed)
        before = files(feed)
        put_snapshot(lake, YESTERDAY, [ANNE, BJORN])

        with pytest.raises(BadData):
            tell(lake, feed, max_removed=0)

        assert before == files(feed)


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"source": "lake"}, "source: expected an absolute local folder"),
            ({"destination": ""}, "destination: expected an absolute local folder"),
            ({"snapshot_date": "22/11/2026"}, "snapshot_date: expected a date"),
            ({"snapshot_date": None}, "snapshot_date: this run has no date"),
            ({"snapshot_date": str(TODAY + timedelta(days=1))}, "is in the future"),
            ({"timezone": "Paris"}, "timezone: expected a name"),
            ({"max_removed": 50}, "max_removed: expected a share from 0 to 1"),
            ({"max_removed": True}, "max_removed: expected a share"),
        ],
    )
    def test_wrong(self, lake, feed, arguments, words):
        """A wrong argument fails at once, and is named."""
        put_snapshot(lake, TODAY, [ANNE])

        with pytest.raises(AirflowFailException, match=words):
            tell(**{"source": lake, "destination": feed, **arguments})

        assert not feed.exists()

    def test_without_duckdb(self, lake, feed, monkeypatch):
        """Without DuckDB the error says what to install."""
        put_snapshot(lake, TODAY, [ANNE])
        monkeypatch.setitem(sys.modules, "duckdb", None)

        with pytest.raises(AirflowFailException, match=r"pip install 'mailpartner-provider\[chan"):
            tell(lake, feed)

    def test_day_of_the_run(self, lake, feed):
        """Without the argument, the day is that of the run, as for the landing."""
        put_snapshot(lake, date(2026, 3, 1), [ANNE])
        noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

        receipt = operator(lake, feed, snapshot_date=None).execute({"logical_date": noon})

        assert "2026-03-01" == receipt["snapshot_date"]


def landed_live(lake: Path, day: date) -> None:
    """Land a day as if this were that day."""
    land(lake, snapshot_date=str(day))
    receipt = lake / f"_receipts/dt={day}.json"
    receipt.write_text(receipt.read_text().replace('"backdated"', '"live"'))


def test_of_landings(api, lake, feed):
    """What two landings left is compared: who went, who came."""
    landed_live(lake, YESTERDAY)
    api.unsubscribes = [*THREE[1:], {"id": 21, "email": "dora@example.com"}]
    land(lake)

    receipt = tell(lake, feed)

    assert [
        ("added", 21),
        ("removed", 19),
    ] == [(change, record[0]) for change, record in changes(feed)]
    assert str(YESTERDAY) == receipt["previous_snapshot_date"]


class TestS3:
    source, destination = "s3://aws_default@lake/unsubscribes", "s3://aws_default@lake/changes"

    @pytest.fixture
    def two_days(self, bucket, lake):
        put_snapshot(lake, YESTERDAY, [ANNE, BJORN])
        put_snapshot(lake, TODAY, [BJORN, CARLA])
        bucket.update({f"unsubscribes/{name}": text for name, text in files(lake).items()})
        return bucket

    def test_what_lies_there(self, two_days, lake, feed):
        """From one prefix of a bucket to another, the same bytes land as in a local folder."""
        before = dict(two_days)

        receipt = tell(self.source, self.destination)

        tell(lake, feed)
        name = f"dt={TODAY}/part-00000.parquet"
        assert files(feed)[name] == two_days[f"changes/{name}"]
        assert receipt == json.loads(two_days[f"changes/_receipts/dt={TODAY}.json"])
        assert before.items() <= dict(two_days).items()
        assert len(before) + 2 == len(two_days)

    def test_requests(self, two_days):
        """A day's changes ask for two receipts and two files, and list nothing."""
        two_days.asked.clear()

        tell(self.source, self.destination)

        asked = [each for each in two_days.asked if "/unsubscribes/" in each]
        assert [
            f"GET /lake/unsubscribes/_receipts/dt={TODAY}.json",
            f"GET /lake/unsubscribes/_receipts/dt={YESTERDAY}.json",
            f"GET /lake/unsubscribes/dt={TODAY}/part-00000.parquet",
            f"GET /lake/unsubscribes/dt={YESTERDAY}/part-00000.parquet",
        ] == asked
        assert f"PUT /lake/changes/_receipts/dt={TODAY}.json" == two_days.asked[-1]

    def test_again(self, two_days):
        """The same snapshots change nothing, and say so."""
        tell(self.source, self.destination)

        assert not tell(self.source, self.destination)["changed"]

    def test_refused(self, two_days):
        """A refused PUT leaves the bucket as it was, and is named."""
        two_days.fault = refusing(f"PUT /lake/changes/dt={TODAY}/part-00000.parquet")
        before = dict(two_days)

        with pytest.raises(OSError, match=f"^cannot write s3://lake/changes/dt={TODAY}/"):
            tell(self.source, self.destination)

        assert before == dict(two_days)

    def test_stopped(self, two_days):
        """What is stopped at the last moment publishes nothing either."""
        task = operator(self.source, self.destination)
        before = dict(two_days)

        class Stopping(list):
            def append(self, asked):
                super().append(asked)
                if asked == f"GET /lake/changes/dt={TODAY}/part-00000.parquet":
                    task.on_kill()

        two_days.asked = Stopping()

        with pytest.raises(LandingStopped):
            task.execute({})

        assert two_days.asked
        assert before == dict(two_days)

    def test_unreadable_receipt(self, two_days):
        """A receipt that cannot be read is asked for once."""
        receipt = f"unsubscribes/_receipts/dt={YESTERDAY}.json"
        two_days[receipt] = b""
        two_days.asked.clear()

        assert tell(self.source, self.destination)["previous_snapshot_date"] is None
        assert 1 == two_days.asked.count(f"GET /lake/{receipt}")

    def test_damaged(self, two_days):
        """A damaged file is not compared."""
        name = f"unsubscribes/dt={YESTERDAY}/part-00000.parquet"
        two_days[name] = bytes(len(two_days[name]))

        with pytest.raises(BadData, match="does not match its receipt"):
            tell(self.source, self.destination)

    def test_into_the_source(self, two_days):
        """Changes never replace a snapshot here either."""
        before = dict(two_days)

        with pytest.raises(AirflowFailException, match=r"holds mailpartner\.unsubscribes"):
            tell(self.source, self.source)

        assert before == dict(two_days)
