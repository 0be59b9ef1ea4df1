"""Snapshots made by hand: their files and receipts, as a landing of any day would leave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.days import iso_utc
from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.lake.scratch import digest
from tests.support.receipts import RECEIPT

COLUMNS = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("email", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC")),
        pa.field("snapshot_date", pa.date32(), nullable=False),
        pa.field("extra_fields", pa.string()),
    ]
)


def put_snapshot(
    folder: Path, day: date, records: Iterable[tuple], columns: pa.Schema = COLUMNS, **members: Any
) -> SnapshotReceipt:
    """Write a snapshot into a folder.

    :param records: the columns but ``snapshot_date``, in their order
    :param members: of the receipt, such as ``status``
    """
    index = columns.get_field_index("snapshot_date")
    rows = [(*record[:index], day, *record[index:]) for record in records]
    arrays = [
        pa.array([row[number] for row in rows], field.type) for number, field in enumerate(columns)
    ]
    return put_table(folder, day, pa.Table.from_arrays(arrays, schema=columns), **members)


def put_table(folder: Path, day: date, snapshot: pa.Table, **members: Any) -> SnapshotReceipt:
    """Write a snapshot, given as a table, into a folder."""
    file = folder / f"dt={day}" / "part-00000.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(snapshot, file)
    distinct = pc.count_distinct(snapshot.column("id")).as_py()
    counted = {
        "rows": snapshot.num_rows,
        "duplicate_ids": snapshot.num_rows - distinct,
        "bytes": file.stat().st_size,
        "sha256": digest(file),
        "observed_at": iso_utc(datetime.now(timezone.utc)),
    }
    receipt = replace(RECEIPT, snapshot_date=str(day), **(counted | members))
    receipt_file = folder / "_receipts" / f"dt={day}.json"
    receipt_file.parent.mkdir(exist_ok=True)
    receipt_file.write_text(receipt.to_json())
    return receipt


def many(count: int, day: date) -> pa.Table:
    """Return a long snapshot."""
    ids = pa.array(np.arange(count))
    nothing = pa.nulls(count)
    days = pa.repeat(pa.scalar(day), count)
    columns = [ids, ids.cast(pa.string()), nothing, days, nothing]
    cast = [column.cast(field.type) for column, field in zip(columns, COLUMNS, strict=True)]
    return pa.Table.from_arrays(cast, schema=COLUMNS)
