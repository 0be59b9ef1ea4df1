"""A staged list is split by the day of opt-out, as Python's own calendar has it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from importlib import resources
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.lake import parquet
from mailpartner_provider.lake.names import partition_file
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import snapshot_schema
from mailpartner_provider.snapshots.splitting import local_days, split_by_day
from tests.support.days import PARIS, today
from tests.support.strategies import EPOCH

UTC = pa.timestamp("us", "UTC")
ZONES = ["Europe/Paris", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "UTC", "Etc/GMT+12"]
PLAIN = EmailMode()
INSTANTS = st.datetimes(timezones=st.just(timezone.utc))
#: Instants of a few days.
OF_FEW_DAYS = st.integers(0, 9).map(lambda n: EPOCH + timedelta(hours=7 * n))


def staged(folder, instants, first=0):
    """Write a staged list of people who opted out at these instants, with ids from the first on."""
    ids = range(first, first + len(instants))
    columns = [
        pa.array(ids, pa.int64()),
        pa.array([f"p{number}@example.com" for number in ids], pa.string()),
        pa.array(instants, UTC),
        pa.array([today()] * len(instants), pa.date32()),
        pa.nulls(len(instants), pa.string()),
    ]
    file = folder / "part.parquet"
    table = pa.Table.from_arrays(columns, schema=snapshot_schema(PLAIN.column))
    pq.write_table(table, file)
    return file


def written(file):
    """Split a staged list, and write all partitions; return the files by name."""
    with split_by_day(file, PARIS, PLAIN.column) as partitions:
        return {name: partition.write() for name, partition in partitions.items()}


def digests(file):
    """Split a staged list, and return the digests of the rows by name."""
    with split_by_day(file, PARIS, PLAIN.column) as partitions:
        return {name: partition.rows_sha256 for name, partition in partitions.items()}


class TestLocalDays:
    @given(st.lists(st.none() | INSTANTS), st.sampled_from(ZONES))
    def test_any(self, instants, name):
        """A day is the one that Python finds, at any time, in any zone; of null it is null."""
        zone = ZoneInfo(name)

        def day_of(instant):
            try:
                return instant and instant.astimezone(zone).date()
            except OverflowError:
                return None

        assert [day_of(each) for each in instants] == (
            local_days(pa.array(instants, UTC), zone).to_pylist()
        )

    def test_edges(self):
        """The first and the last microsecond of a day belong to it, in summer and in winter."""
        midnights = [datetime(2026, month, 2, tzinfo=PARIS) for month in range(1, 13)]
        before = timedelta(microseconds=1)
        around = [each.astimezone(timezone.utc) - n * before for each in midnights for n in (1, 0)]

        days = [date(2026, month, day) for month in range(1, 13) for day in (1, 2)]
        assert days == local_days(pa.array(around, UTC), PARIS).to_pylist()

    def test_far_future(self):
        """Summer time goes on where zone files end."""
        nights = [datetime(year, 7, 1, 22, 30, tzinfo=timezone.utc) for year in (2100, 2500, 9000)]

        days = local_days(pa.array(nights, UTC), PARIS).to_pylist()

        assert [date(year, 7, 2) for year in (2100, 2500, 9000)] == days

    def test_ends_of_the_calendar(self):
        """An instant of a day that the calendar does not have is undated."""
        first = datetime.min.replace(tzinfo=timezone.utc)
        last = datetime.max.replace(tzinfo=timezone.utc)
        ends = pa.array([first, last], UTC)

        assert [None, date.max] == local_days(ends, ZoneInfo("America/Sao_Paulo")).to_pylist()
        assert [date.min, None] == local_days(ends, PARIS).to_pylist()

    def test_zone_of_its_own(self):
        """A zone that Arrow does not know is no obstacle."""
        with resources.files("tzdata.zoneinfo.Europe").joinpath("Paris").open("rb") as file:
            zone = ZoneInfo.from_file(file, key="Europe/Nowhere")
        instants = pa.array([datetime(2026, 7, 1, 22, tzinfo=timezone.utc)], UTC)

        assert [date(2026, 7, 2)] == local_days(instants, zone).to_pylist()


class TestSplit:
    @given(instants=st.lists(st.none() | OF_FEW_DAYS))
    @pytest.mark.parametrize("batch", [1, 3, 100])
    def test_any(self, tmp_path_factory, instants, batch):
        """Each row is in the file of its day, in its old order, however the list is cut."""
        folder = tmp_path_factory.mktemp("split")
        file = staged(folder, instants)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parquet, "ROW_GROUP_ROWS", batch)
            patch.setattr(parquet, "ROW_GROUP_ROWS", batch)
            found = {name: pq.ParquetFile(path).read() for name, path in written(file).items()}

        expected = {} if instants else {None: []}
        for number, at in enumerate(instants):
            expected.setdefault(at and at.astimezone(PARIS).date(), []).append(number)
        assert {partition_file(day): ids for day, ids in expected.items()} == {
            name: table["id"].to_pylist() for name, table in found.items()
        }
        for day, ids in expected.items():
            assert [day] * len(ids) == found[partition_file(day)]["created_date"].to_pylist()
        assert {"days", "part.parquet"} == {path.name for path in folder.iterdir()}

    def test_same_bytes(self, tmp_path):
        """A day has the same bytes whatever days there are besides it, and however it arrived."""
        noon = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
        name = partition_file(noon.date())
        for folder, instants in (("a", [noon, noon]), ("b", [noon, noon, None, EPOCH])):
            (tmp_path / folder).mkdir()
            written(staged(tmp_path / folder, instants))

        alone, among = (tmp_path / each / "days" / "2026-07-01.parquet" for each in "ab")
        assert alone.read_bytes() == among.read_bytes()
        assert name == partition_file(date(2026, 7, 1))

    def test_same_digest(self, tmp_path):
        """A day has the same digest whatever days there are besides it, and however it is cut."""
        noon = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
        lists = {"alone": [], "among": [EPOCH], "cut": [EPOCH] * (parquet.ROW_GROUP_ROWS - 1)}
        found = {}
        for name, others in lists.items():
            (tmp_path / name).mkdir()
            found[name] = digests(staged(tmp_path / name, [*others, *[noon] * 3], -len(others)))

        assert found["alone"].items() <= found["cut"].items()
        assert found["alone"].items() <= found["among"].items()
        assert 2 == len(set(found["among"].values()))

    @pytest.mark.parametrize(
        ("column", "other"),
        [("id", 7), ("email", "other@example.com"), ("created_at", EPOCH), ("extra_fields", "{}")],
    )
    def test_other_digest(self, tmp_path, column, other):
        """A day has another digest when any value of it is another one."""
        file = staged(tmp_path, [EPOCH + timedelta(hours=1)])
        before, table = digests(file), pq.ParquetFile(file).read()
        (tmp_path / "days").rmdir()
        field = table.schema.field(column)
        changed = pa.array([other], field.type)
        at = table.schema.get_field_index(column)
        pq.write_table(table.set_column(at, field, changed), file)

        after = digests(file)
        assert before.keys() == after.keys()
        assert before != after

    def test_columns(self, tmp_path):
        """The columns stand in the order of a snapshot's, the day in the fourth place."""
        files = written(staged(tmp_path, [EPOCH]))

        names = pq.ParquetFile(files["dt=1970-01-01/part-00000.parquet"]).schema.names
        assert ["id", "email", "created_at", "created_date", "extra_fields"] == names
