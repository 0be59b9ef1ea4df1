"""Whatever two snapshots hold, the changes lead from the one to the other, exactly."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailpartner_provider.changes import diff
from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.errors import LandingStopped
from mailpartner_provider.schemas import changes_schema
from tests.support.days import today
from tests.support.snapshots import COLUMNS, many, put_table
from tests.support.waiting import wait_until

RECORD = COLUMNS.remove(COLUMNS.get_field_index("snapshot_date"))
INSTANTS = [datetime(year, 3, 1, 2, 3, 4, 5, timezone.utc) for year in (1, 1969, 2026, 9999)]

RECORDS = st.tuples(
    st.integers(0, 5) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
    st.sampled_from(["anne@example.com", "Anne@example.com", "e\u0301", "\u00e9", "\x00", "\\"]),
    st.sampled_from([None, *INSTANTS]),
    st.sampled_from([None, "", "null", "{}", '{"a":1}']),
)
SNAPSHOTS = st.lists(RECORDS, max_size=8)
#: Two snapshots that have much in common, in any order.
PAIRS = st.tuples(SNAPSHOTS, SNAPSHOTS, SNAPSHOTS).flatmap(
    lambda parts: st.tuples(
        st.permutations(parts[0] + parts[1]), st.permutations(parts[0] + parts[2])
    )
)


def write(folder: Path, name: str, records) -> Path:
    file = folder / name
    columns = [
        pa.array([record[place] for record in records], field.type)
        for place, field in enumerate(RECORD)
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=RECORD), file)
    return file


def replayed(snapshots):
    """Return the records to which the changes from each snapshot to the next lead."""
    schema = changes_schema(COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        place, files = Path(folder), []
        for number, each in enumerate(snapshots):
            day = today() + timedelta(days=number)
            changes = [
                {
                    "change": change,
                    "snapshot_date": day,
                    **dict(zip(RECORD.names, row, strict=True)),
                }
                for change, row in compare(each, *snapshots[:number][-1:])
            ]
            files.append(place / f"dt={number}.parquet")
            pq.write_table(pa.Table.from_pylist(changes, schema=schema), files[-1])
        batches = list(Comparison().replayed(files, RECORD.names, place))
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def compare(*snapshots):
    """Return the changes in their order: change and record."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = [write(place, str(number), each) for number, each in enumerate(snapshots)]
        batches = list(Comparison().changes(files, RECORD.names, place))
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [(row.pop("change"), tuple(row.values())) for row in rows]


def by_id(records):
    found = defaultdict(Counter)
    for record in records:
        found[record[0]][record] += 1
    return found


def plain_changes(now, before):
    """Return the changes, found id by id in plain Python."""
    now, before = by_id(now), by_id(before)
    for each in now.keys() | before.keys():
        if each not in before:
            yield from (("added", record) for record in now[each].elements())
        elif each not in now:
            yield from (("removed", record) for record in before[each].elements())
        elif now[each] != before[each]:
            yield from (("changed", record) for record in now[each].elements())


class TestAlways:
    @given(PAIRS)
    def test_plain(self, pair):
        """The changes are those that a plain reading of both snapshots finds."""
        assert Counter(plain_changes(*pair)) == Counter(compare(*pair))

    @given(PAIRS)
    def test_applied(self, pair):
        """To take all records of these ids out of the previous snapshot, and to put those added
        and changed in, gives the current one, each record as often as it is there."""
        now, before = pair
        changes = compare(now, before)

        touched = {record[0] for _, record in changes}
        kept = [record for record in before if record[0] not in touched]
        put_in = [record for change, record in changes if change != "removed"]

        assert Counter(now) == Counter(kept + put_in)

    @given(st.lists(SNAPSHOTS, min_size=1, max_size=4))
    @settings(max_examples=min(settings().max_examples, 300))  # each compares several times
    def test_replayed(self, snapshots):
        """The changes of several days, applied to nothing, give the last snapshot, each record as
        often as it is there."""
        assert Counter(snapshots[-1]) == Counter(replayed(snapshots))

    @given(SNAPSHOTS.flatmap(lambda each: st.tuples(st.just(each), st.permutations(each))))
    def test_equal(self, pair):
        """Between snapshots of the same records, in whatever order, nothing changed."""
        assert [] == compare(*pair)

    @given(SNAPSHOTS)
    def test_first(self, now):
        """Where there is no previous snapshot, every record was added."""
        assert Counter(("added", record) for record in now) == Counter(compare(now))

    @given(PAIRS, st.randoms(use_true_random=False))
    def test_order(self, pair, random):
        """The changes come in one order, whatever the order in the snapshots."""
        now, before = pair
        shuffled = [random.sample(each, len(each)) for each in pair]

        changes = compare(now, before)

        assert changes == compare(*shuffled)
        assert [(change, record[0]) for change, record in changes] == sorted(
            (change, record[0]) for change, record in changes
        )


@pytest.mark.parametrize("name", ["dt=2026-11-22", "a*b", "[x]", "it's", 'a "b"', "é", "?", "{a}"])
def test_odd_places(tmp_path, name):
    """The folders of a scratch file are neither patterns nor columns."""
    folder = tmp_path / name / "id=7"
    folder.mkdir(parents=True)
    one, other = (1, "a@example.com", None, None), (2, "b@example.com", None, None)
    files = [write(folder, "now.parquet", [one]), write(folder, "before.parquet", [other])]

    (batch,) = Comparison().changes(files, RECORD.names, folder)

    assert ["change", *RECORD.names] == batch.schema.names
    assert ["added", "removed"] == batch.column("change").to_pylist()


def test_more_than_memory(tmp_path, monkeypatch):
    """Lists that do not fit into the memory allowed are compared on the disk."""
    monkeypatch.setattr(diff, "MEMORY_LIMIT", "256MB")
    monkeypatch.setattr(diff, "OLD_MEMORY_LIMIT", "256MB")
    monkeypatch.setattr(diff, "THREADS", 1)
    before = [(key, f"{key}@example.com" * 40, None, None) for key in range(200_000)]
    files = [write(tmp_path, "now", before[1:]), write(tmp_path, "before", before[:-1])]

    (batch,) = Comparison().changes(files, RECORD.names, tmp_path)

    assert [199_999, 0] == batch.column("id").to_pylist()


def test_too_little_memory(tmp_path, monkeypatch):
    """Rows that need more than the usual memory get it; where even that does not do, an error says
    so, and quotes no record."""
    monkeypatch.setattr(diff, "MEMORY_LIMIT", "1MB")
    monkeypatch.setattr(diff, "OLD_MEMORY_LIMIT", "1MB")
    before = [(key, f"{key}@example.com", None, None) for key in range(150_000)]
    file = write(tmp_path, "now", before)

    found = Comparison().changes([file], RECORD.names, tmp_path)
    assert 150_000 == sum(batch.num_rows for batch in found)

    monkeypatch.setattr(diff, "MORE_MEMORY", "1MB")
    with pytest.raises(OSError, match=r"^DuckDB's OutOfMemoryException$") as caught:
        list(Comparison().changes([file], RECORD.names, tmp_path))

    assert caught.value.__cause__ is None


def test_damaged(tmp_path):
    """A file that is no Parquet is an error of its own kind, which quotes nothing."""
    (tmp_path / "now").write_bytes(b"zoe@example.com")

    with pytest.raises(OSError, match=r"^DuckDB's \w+$") as caught:
        list(Comparison().changes([tmp_path / "now"], RECORD.names, tmp_path))

    assert caught.value.__context__ is None


def test_stopped(tmp_path):
    """A comparison under way is stopped in its midst, from another thread."""
    put_table(tmp_path, today(), many(4_000_000, today()))
    file = tmp_path / f"dt={today()}" / "part-00000.parquet"
    under_way = Comparison()

    def stop_when_under_way():
        wait_until((tmp_path / "duckdb").exists)
        under_way.stop()

    thread = threading.Thread(target=stop_when_under_way)
    thread.start()
    with pytest.raises(LandingStopped):
        list(under_way.changes([file], RECORD.names, tmp_path))
    thread.join()


def test_stopped_at_its_end(tmp_path):
    """So is one whose result is being read."""
    put_table(tmp_path, today(), many(1_000_000, today()))
    file = tmp_path / f"dt={today()}" / "part-00000.parquet"
    under_way = Comparison()
    batches = under_way.changes([file], RECORD.names, tmp_path)
    next(batches)

    under_way.stop()

    with pytest.raises(LandingStopped):
        list(batches)


def test_stopped_early(tmp_path):
    """What was stopped does not begin."""
    stopped = Comparison()
    stopped.stop()

    with pytest.raises(LandingStopped):
        list(stopped.changes([write(tmp_path, "now", [])], RECORD.names, tmp_path))
