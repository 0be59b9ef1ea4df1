"""Splitting of a staged list by the day of opt-out.

The rows are sorted a batch at a time into a memory-mapped file, so that memory grows with the
number of days and hardly with the list.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.days import day_of
from mailpartner_provider.lake.layouts import Partition
from mailpartner_provider.lake.names import partition_file
from mailpartner_provider.lake.parquet import in_row_groups, read_batches, with_day, write_rows
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.schemas import created_schema, record_schema

# Between these, Arrow finds the day as exactly as Python does; see api/columns.py.
_PLAIN_FROM, _PLAIN_UNTIL = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1971, 2037))


@contextmanager
def split_by_day(
    file: Path, zone: ZoneInfo, email_column: str | None
) -> Iterator[dict[str, Partition]]:
    """Split the rows of a staged list into partitions by day, each in their old order.

    Rows without a date are one undated partition; an empty list is an undated partition without
    rows. Within the context, each partition can be written to a file beside the list.

    :param email_column: the column that replaces ``email``; None for no such column
    :return: the partitions by their names
    :raises OSError: the scratch folder cannot be written
    """
    folder, by_day = file.with_name("days"), file.with_name("by-day.arrow")
    records = record_schema(email_column)
    with naming_path("write scratch files in", file.parent):
        folder.mkdir()
        runs = _sort(file, by_day, zone, records)
    with pa.memory_map(str(by_day)) as mapped:
        reader = pa.ipc.open_file(mapped)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]

        def partition(day: date | None, slices: list[tuple[int, tuple[int, int]]]) -> Partition:
            def rows() -> Iterator[pa.Table]:
                parts = (batches[number].slice(*at) for number, at in slices)
                return in_row_groups(parts, records)

            def write() -> Path:
                finished = folder / f"{day}.parquet"
                schema = created_schema(email_column)
                with naming_path("write scratch files in", file.parent):
                    write_rows(finished, (with_day(each, day, schema) for each in rows()), schema)
                return finished

            return Partition(write, _digest(rows(), records))

        yield {partition_file(day): partition(day, runs[day]) for day in runs or [None]}
    by_day.unlink()


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


def _digest(row_groups: Iterable[pa.Table], schema: pa.Schema) -> str:
    """Return a SHA-256 of rows: if it is the same, the rows are the same.

    The reverse does not hold, because the digest also depends on the version of Arrow.
    """
    digest = hashlib.sha256(schema.serialize())
    for rows in row_groups:
        for batch in rows.to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()


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
