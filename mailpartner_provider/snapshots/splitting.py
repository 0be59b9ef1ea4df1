"""Splitting of a staged list by the day of opt-out.

The rows are sorted a batch at a time into a memory-mapped file, so that memory grows with the
number of days and hardly with the list.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.days import day_of
from mailpartner_provider.lake.names import partition_file
from mailpartner_provider.lake.parquet import in_row_groups, read_batches, with_day, write_rows
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.schemas import created_schema, record_schema

# Between these, Arrow finds the day as exactly as Python does; see api/columns.py.
_PLAIN_FROM, _PLAIN_UNTIL = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1971, 2037))


def split_by_day(file: Path, zone: ZoneInfo, email_column: str | None) -> dict[str, Path]:
    """Write the rows of a staged list into one file a day, beside it, each in their old order.

    Rows without a date go to a file of their own. A list without rows is one such file.

    :param email_column: the column in the place of ``email``; None for no such column
    :return: the files, by the names of their partitions
    :raises OSError: the scratch folder cannot be written
    """
    folder = file.with_name("days")
    records, schema = record_schema(email_column), created_schema(email_column)
    files = {}
    with naming_path("write scratch files in", file.parent):
        folder.mkdir()
        by_day = file.with_name("by-day.arrow")
        runs = _sort(file, by_day, zone, records)
        with pa.memory_map(str(by_day)) as mapped:
            reader = pa.ipc.open_file(mapped)
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
            for day, slices in (runs or {None: []}).items():
                rows = (batches[number].slice(*bounds) for number, bounds in slices)
                row_groups = (with_day(each, day, schema) for each in in_row_groups(rows, records))
                name = partition_file(day)
                files[name] = folder / f"{day}.parquet"
                write_rows(files[name], row_groups, schema)
        by_day.unlink()
    return files


def local_days(instants: pa.Array, zone: ZoneInfo) -> pa.Array:
    """Return the calendar day of each instant in a zone; null where it has none."""
    in_between = pc.and_(
        pc.greater_equal(instants, pa.scalar(_PLAIN_FROM, instants.type)),
        pc.less(instants, pa.scalar(_PLAIN_UNTIL, instants.type)),
    )
    plain = pc.if_else(in_between, instants, None)
    try:
        days = pc.local_timestamp(plain.cast(pa.timestamp("us", zone.key))).cast(pa.date32())
    except pa.ArrowInvalid:  # Arrow does not know the zone
        days = pa.nulls(len(instants), pa.date32())
    remaining = pc.and_(days.is_null(), instants.is_valid())
    exact = [_day_of(instant, zone) for instant in instants.filter(remaining).to_pylist()]
    return pc.replace_with_mask(days, remaining, pa.array(exact, pa.date32()))


def _sort(
    file: Path, by_day: Path, zone: ZoneInfo, schema: pa.Schema
) -> dict[date | None, list[tuple[int, tuple[int, int]]]]:
    """Sort the rows by day within each batch; return the batches and slices of each day."""
    runs = defaultdict(list)
    batches = read_batches(pq.ParquetFile(file), schema.names)
    with pa.ipc.new_file(by_day, schema) as sorted_rows:
        for number, batch in enumerate(batches):
            days = local_days(batch.column("created_at"), zone)
            order = pc.array_sort_indices(days)
            sorted_rows.write_batch(pc.take(batch, order).cast(schema))
            encoded = pc.run_end_encode(days.take(order))
            begin = 0
            for day, end in zip(
                encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True
            ):
                runs[day].append((number, (begin, end - begin)))
                begin = end
    return runs


def _day_of(instant: datetime, zone: ZoneInfo) -> date | None:
    try:
        return day_of(instant, zone)
    except OverflowError:  # the first or the last day of the calendar, and another one in the zone
        return None
