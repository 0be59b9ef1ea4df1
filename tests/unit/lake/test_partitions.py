"""A run has one day, and a day has names that give it back."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.days import day_of, end_of_day, resolve_snapshot_date
from mailpartner_provider.lake.names import (
    day_in_name,
    partition_file,
    receipt_file,
    rejected_file,
)
from tests.support.days import PARIS

ZONES = ["Europe/Paris", "UTC", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu"]


def noon(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=timezone.utc)


#: What Airflow may say of a run, each on a day of its own, the most deliberate first.
RUN = {
    "partition_key": "2026-03-02",
    "partition_date": noon(3),
    "data_interval_end": noon(4),
    "logical_date": noon(5),
    "run_after": noon(6),
}


class TestNames:
    @given(st.dates(), st.sampled_from([partition_file, receipt_file, rejected_file]))
    def test_round_trip(self, day, name):
        """A name gives its day back, wherever the destination is."""
        assert [day] * 3 == [
            day_in_name(name(day)),
            day_in_name(f"/lake/unsubscribes/{name(day)}"),
            day_in_name(f"lake/dt=soon/{name(day)}"),
        ]

    def test_names(self):
        """The names are those of the contract, years of fewer digits included."""
        assert [
            "dt=2026-11-22/part-00000.parquet",
            "_receipts/dt=2026-11-22.json",
            "_rejected/dt=0800-01-01.jsonl",
        ] == [
            partition_file(date(2026, 11, 22)),
            receipt_file(date(2026, 11, 22)),
            rejected_file(date(800, 1, 1)),
        ]

    @pytest.mark.parametrize(
        "name",
        [
            "", "dt=", "dt=2026-11", "dt=20261122", "dt=2026-13-01", "dt=2026-02-30",
            "dt=0000-01-01", "dt=2026-11-22x", "dt=2026-11-220", "xdt=2026-11-22",
            "DT=2026-11-22", "2026-11-22", "day=2026-11-22", "dt=__HIVE_DEFAULT_PARTITION__",
            "dt=２026-11-22", "dt=2026-11-22-1",
        ],
    )  # fmt: skip
    def test_other_names(self, name):
        """A name of another form has no day."""
        assert day_in_name(name) is None


class TestDayOfTheRun:
    @pytest.mark.parametrize("gone", range(len(RUN)))
    def test_precedence(self, gone):
        """The most deliberate of what a run has decides; what it lacks is absent or None."""
        name, day = list(RUN)[gone], date(2026, 3, 2 + gone)
        left = dict(list(RUN.items())[gone:])

        assert (day, f"the run's {name}") == resolve_snapshot_date(None, left, PARIS)
        left = {**dict.fromkeys(RUN), **left}
        assert (day, f"the run's {name}") == resolve_snapshot_date(None, left, PARIS)

    @pytest.mark.parametrize("argument", ["2026-03-01", " 2026-03-01\n", date(2026, 3, 1)])
    @pytest.mark.parametrize("run", [RUN, {}])
    def test_argument(self, argument, run):
        """The argument wins over whatever the run says."""
        expected = date(2026, 3, 1), "the argument snapshot_date"

        assert expected == resolve_snapshot_date(argument, run, PARIS)

    @pytest.mark.parametrize(
        "argument",
        [
            "today", "{{ ds }}", "20260301", "2026-3-1", "2026-W09-7",
            "2026-02-30", "0000-00-00", "2026-03-01T00:00:00", "2026-03-01+01:00", "２026-03-01",
            "01/03/2026", 20260301, True, noon(1),
        ],
    )  # fmt: skip
    def test_no_date(self, argument):
        """An argument that is no ISO date is an error that says what is expected."""
        with pytest.raises(ValueError, match="snapshot_date: expected a date as YYYY-MM-DD"):
            resolve_snapshot_date(argument, RUN, PARIS)

    @pytest.mark.parametrize("argument", ["", " ", "None"])
    def test_empty_template(self, argument):
        """Of a template that gave nothing, the error says what to do instead."""
        with pytest.raises(ValueError, match="snapshot_date: got no date .* remove it to land the"):
            resolve_snapshot_date(argument, {}, PARIS)

    @pytest.mark.parametrize("run", [{}, dict.fromkeys(RUN)])
    def test_dateless(self, run):
        """A run without any date is an error that asks for one."""
        with pytest.raises(ValueError, match="snapshot_date: this run has no date"):
            resolve_snapshot_date(None, run, PARIS)

    @pytest.mark.parametrize(
        ("instant", "zone", "day"),
        [
            (datetime(2026, 11, 21, 22, 59, tzinfo=timezone.utc), "Europe/Paris", 21),
            (datetime(2026, 11, 21, 23, 0, tzinfo=timezone.utc), "Europe/Paris", 22),
            (datetime(2026, 11, 21, 23, 0, tzinfo=timezone.utc), "UTC", 21),
            (datetime(2026, 11, 22, 0, 0, tzinfo=PARIS), "UTC", 21),
            (datetime(2026, 11, 22, 2, 59, tzinfo=timezone.utc), "America/Sao_Paulo", 21),
            (datetime(2026, 11, 21, 10, 0, tzinfo=timezone.utc), "Pacific/Kiritimati", 22),
        ],
    )
    @pytest.mark.parametrize("name", ["data_interval_end", "logical_date", "run_after"])
    def test_zone(self, instant, zone, day, name):
        """An instant becomes the day that the zone's calendar shows."""
        found, _ = resolve_snapshot_date(None, {name: instant}, ZoneInfo(zone))

        assert date(2026, 11, day) == found


class TestEndOfDay:
    @given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.sampled_from(ZONES))
    def test_last_instant(self, day, name):
        """The last microsecond before the end of a day is of that day, and the end is not."""
        zone = ZoneInfo(name)
        end = end_of_day(day, zone)

        assert timezone.utc is end.tzinfo
        assert day == day_of(end - timedelta(microseconds=1), zone)
        assert day < day_of(end, zone)

    @pytest.mark.parametrize(
        ("day", "hours"),
        [(date(2026, 3, 29), 23), (date(2025, 10, 26), 25), (date(2026, 7, 1), 24)],
    )
    def test_length(self, day, hours):
        """A day on which the clocks change has 23 or 25 hours."""
        began = end_of_day(day - timedelta(days=1), PARIS)

        assert timedelta(hours=hours) == end_of_day(day, PARIS) - began


@pytest.mark.parametrize(
    ("hour", "zone", "day"),
    [(0, "America/Sao_Paulo", 3), (0, "Europe/Paris", 3), (23, "Europe/Paris", 4)],
)
def test_partition_date(hour, zone, day):
    """A partition's midnight is the day as written; at another hour it is another zone's."""
    run = {"partition_date": datetime(2026, 3, 3, hour, tzinfo=timezone.utc)}

    assert date(2026, 3, day) == resolve_snapshot_date(None, run, ZoneInfo(zone))[0]
