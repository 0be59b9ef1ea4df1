"""A month of receipts, made up, so that there is something to see."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from mailpartner_provider.partitions import receipt_file
from tests.test_receipts import CHANGES, RECEIPT


def put_history(snapshots: Path, changes: Path, today: date, rows: int) -> None:
    """Put the receipts of a month into two destinations; today's snapshot is still to be landed.

    :param rows: what it will hold
    """
    draw = random.Random(19)
    for days_ago in range(30):
        day = today - timedelta(days=days_ago)
        added, removed = draw.randint(60, 140), draw.randint(5, 50)
        dates = {
            "snapshot_date": f"{day}",
            "previous_snapshot_date": f"{day - timedelta(days=1)}",
        }
        uri = f"file://{snapshots}/dt={day}/part-00000.parquet"
        told = replace(CHANGES, **dates, source_uri=uri, added=added, removed=removed)
        _put(changes / receipt_file(day), told.to_json())
        before = rows - added + removed
        counts = {"rows": rows, "previous_rows": before, "rejected": 0}
        if days_ago:
            observed_at = f"{day}T05:30:04Z"
            receipt = replace(RECEIPT, **dates, **counts, uri=uri, observed_at=observed_at)
            _put(snapshots / receipt_file(day), receipt.to_json())
        rows = before


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
