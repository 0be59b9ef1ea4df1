"""How changes are published: columns, receipt, all or nothing, arguments."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import time_machine

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, LandingStopped, WrongArgument
from tests.support.changes import ANNE, AT, BJORN, CARLA, changes, compare, comparing
from tests.support.days import days_ago, midnight, today, tomorrow, yesterday
from tests.support.lake import partition_name, receipt_name
from tests.support.snapshots import COLUMNS, put_snapshot


class TestColumns:
    def test_order_and_types(self, lake, feed):
        """The columns are those of the snapshot and two more, typed, in a fixed order."""
        put_snapshot(lake, today(), [ANNE])

        compare(lake, feed)

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
        ) == pq.read_schema(feed.partition())

    @pytest.mark.parametrize("email", [["email_sha256"], ["email_hmac"], []])
    def test_of_the_source(self, lake, feed, email):
        """Whatever e-mail column the snapshots have, if any, the changes have."""
        columns = COLUMNS.remove(1)
        for name in email:
            columns = columns.insert(1, pa.field(name, pa.string(), nullable=False))
        record = [1, *("0a" for _ in email), AT, None]
        put_snapshot(lake, yesterday(), [record], columns)
        put_snapshot(lake, today(), [[2, *record[1:]]], columns)

        compare(lake, feed)

        assert ["change", "id", *email, "created_at"] == feed.table().column_names[: 3 + len(email)]
        assert ["added", "removed"] == feed.table().column("change").to_pylist()

    def test_other_columns(self, lake, feed):
        """Snapshots of other columns are not compared; the error says what that means."""
        put_snapshot(lake, yesterday(), [ANNE])
        columns = COLUMNS.set(1, pa.field("email_sha256", pa.string(), nullable=False))
        put_snapshot(lake, today(), [(1, "0a", AT, None)], columns)

        with pytest.raises(
            BadData, match=f"snapshot of {today()} has other columns .*email_mode.*'email_sha256'"
        ):
            compare(lake, feed)

        assert not feed.holds(today())

    def test_writer(self, lake, feed):
        """The file is written as snapshots are: zstd, row groups of 131,072, a page index."""
        people = [(key, f"{key}@example.com", AT, None) for key in range(140_000)]
        put_snapshot(lake, today(), people)

        compare(lake, feed)

        footer = pq.ParquetFile(feed.partition()).metadata
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        assert [131_072, 140_000 - 131_072] == [group.num_rows for group in groups]
        assert "ZSTD" == groups[0].column(2).compression
        assert groups[0].column(2).has_offset_index
        assert [person[0] for person in people] == feed.table().column("id").to_pylist()


class TestReceipt:
    def test_members(self, lake, feed):
        """The receipt is flat, names both snapshots by their digests, and equals the one in the
        destination."""
        before = put_snapshot(lake, yesterday(), [ANNE])
        now = put_snapshot(lake, today(), [BJORN])

        receipt = compare(lake, feed)

        assert feed.receipt() == receipt
        assert {str, int, bool, type(None)} >= {type(value) for value in receipt.values()}
        assert ("mailpartner.unsubscribe_changes", "live") == (
            receipt["dataset"],
            receipt["status"],
        )
        assert (now.sha256, before.sha256) == (receipt["source_sha256"], receipt["previous_sha256"])
        assert f"file://{lake}/dt={today()}/part-00000.parquet" == receipt["source_uri"]
        assert f"file://{feed}/dt={today()}/part-00000.parquet" == receipt["uri"]
        assert len(feed.partition().read_bytes()) == receipt["bytes"]

    def test_nothing_personal(self, lake, feed, log):
        """Neither the receipt nor the log has an address."""
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, today(), [CARLA])

        told = json.dumps(compare(lake, feed))
        with pytest.raises(BadData) as caught:
            compare(lake, feed, max_removed=0.1)

        for text in (told, log(), str(caught.value)):
            assert "@example.com" not in text.lower()
        assert "1 record added, 2 removed, 0 changed" in log()


class TestAllOrNothing:
    def test_again(self, lake, feed):
        """The same snapshots give the same bytes, and changed is false."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [BJORN])
        first, before = compare(lake, feed), feed.files()

        second = compare(lake, feed)

        assert (True, False) == (first["changed"], second["changed"])
        assert before[partition_name()] == feed.partition().read_bytes()

    def test_killed_before_its_receipt(self, lake, feed):
        """Changes that no receipt has declared are a change, though their file is there."""
        put_snapshot(lake, today(), [ANNE])
        compare(lake, feed)
        feed.receipt_path().unlink()

        assert compare(lake, feed)["changed"]

    def test_landed_again(self, lake, feed):
        """Where the snapshot was replaced by a later one of its day, so are the changes."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [])
        compare(lake, feed)
        put_snapshot(lake, today(), [ANNE])

        assert compare(lake, feed)["changed"]
        assert [] == changes(feed)

    def test_source_stays(self, lake, feed):
        """The source is only read."""
        put_snapshot(lake, today(), [BJORN])
        before = lake.files()

        compare(lake, feed)

        assert before == lake.files()
        assert {partition_name(), receipt_name()} == set(feed.files())

    def test_into_the_source(self, lake, tmp_path):
        """Changes never replace a snapshot, by whatever name its folder goes."""
        put_snapshot(lake, today(), [ANNE])
        (tmp_path / "link").symlink_to(lake)
        before = lake.files()

        for place in (lake, tmp_path / "link", f"{lake}/../unsubscribes", f"file://{lake}"):
            with pytest.raises(AirflowFailException, match="is .mailpartner.unsubscribes."):
                compare(lake, place)

        assert before == lake.files()

    def test_stopped(self, lake, feed):
        """What on_kill stops publishes nothing."""
        put_snapshot(lake, today(), [ANNE])
        task = comparing(lake, feed)
        task.on_kill()

        with pytest.raises(LandingStopped):
            task.execute({})

        assert not feed.exists()

    def test_old_changes_survive(self, lake, feed):
        """Whatever goes wrong leaves the changes that stand there."""
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, today(), [ANNE])
        compare(lake, feed)
        before = feed.files()

        with pytest.raises(BadData):
            compare(lake, feed, max_removed=0)

        assert before == feed.files()


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"source": "lake"}, "source: expected an absolute local folder"),
            ({"destination": ""}, "destination: expected an absolute local folder"),
            ({"snapshot_date": "22/11/2026"}, "snapshot_date: expected a date"),
            ({"snapshot_date": ""}, "snapshot_date: got no date"),
            ({"timezone": "Paris"}, "timezone: expected a name"),
            ({"max_removed": 50}, "max_removed: expected a share from 0 to 1"),
            ({"max_removed": True}, "max_removed: expected a share"),
            ({"max_removed": "None"}, "max_removed: expected a share"),
        ],
    )
    def test_wrong(self, lake, feed, arguments, words):
        """A wrong argument that is no template fails while the DAG is parsed, and is named; one
        that a template gave fails at once."""
        put_snapshot(lake, today(), [ANNE])
        with pytest.raises(WrongArgument, match=words):
            comparing(**{"source": lake, "destination": feed, **arguments})

        rendered = comparing(lake, feed)
        vars(rendered).update(arguments)
        with pytest.raises(AirflowFailException, match=words):
            rendered.execute({})

        assert not feed.exists()

    def test_no_day(self, lake, feed):
        """A run that has no date at all is told to name one."""
        with pytest.raises(AirflowFailException, match="snapshot_date: this run has no date"):
            comparing(lake, feed, snapshot_date=None).execute({})

    def test_template(self, lake, feed):
        """max_removed may be a text, as a template gives it, and is not checked before that."""
        put_snapshot(lake, yesterday(), [ANNE, BJORN])
        put_snapshot(lake, today(), [ANNE])
        task = comparing(lake, feed, max_removed="{{ params.max_removed }}")
        assert "max_removed" in task.template_fields

        with pytest.raises(BadData, match="more than max_removed=0.25"):
            compare(lake, feed, max_removed="0.25")
        assert 1 == compare(lake, feed, max_removed="1")["removed"]

    def test_future(self, lake, feed):
        """A day in the future fails."""
        with pytest.raises(AirflowFailException, match="snapshot_date: .* is in the future"):
            comparing(lake, feed, tomorrow()).execute({})

        assert not feed.exists()

    def test_changes_of_the_future(self, lake, feed):
        """Changes that a wrong clock dated a year ahead are named, and freeze nothing."""
        put_snapshot(lake, yesterday(), [ANNE])
        put_snapshot(lake, today(), [ANNE, BJORN])
        comparing(lake, feed, yesterday()).execute({})
        future = days_ago(-365)
        put_snapshot(lake, future, [ANNE])
        with time_machine.travel(midnight(future)):
            comparing(lake, feed, future).execute({})

        with pytest.raises(BadData, match=f"dt={future}/.* is of a day in the future"):
            comparing(lake, feed).execute({})

        feed.partition(future).unlink()
        feed.receipt_path(future).unlink()
        assert 1 == comparing(lake, feed).execute({})["added"]

    def test_without_duckdb(self, lake, feed, monkeypatch):
        """Without DuckDB the error says what to install."""
        put_snapshot(lake, today(), [ANNE])
        monkeypatch.setitem(sys.modules, "duckdb", None)

        with pytest.raises(AirflowFailException, match=r"pip install 'mailpartner-provider\[chan"):
            compare(lake, feed)

    def test_day_of_the_run(self, lake, feed):
        """Without the argument, the day is that of the run, as for the landing."""
        put_snapshot(lake, date(2026, 3, 1), [ANNE])
        noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

        receipt = comparing(lake, feed, snapshot_date=None).execute({"logical_date": noon})

        assert "2026-03-01" == receipt["snapshot_date"]
