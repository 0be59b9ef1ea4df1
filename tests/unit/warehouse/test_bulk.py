"""Rows as CSV for PostgreSQL."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.warehouse.bulk import CsvRows


def test_instants(tmp_path):
    """Every instant of the years 1 to 9999 is written in UTC, whatever a session's time zone is."""
    instants = [
        datetime(1, 1, 1, tzinfo=timezone.utc),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc),
        datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc),
        None,
    ]
    file = tmp_path / "part.parquet"
    column = pa.array(instants, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"id": range(5), "created_at": column}), file)

    rows = b"".join(CsvRows([file], "shoes", lambda: None)).decode()

    assert [
        [
            "shoes",
            str(number),
            instant.isoformat(" ", "microseconds").replace("+00:00", "Z") if instant else "",
        ]
        for number, instant in enumerate(instants)
    ] == list(csv.reader(io.StringIO(rows)))
