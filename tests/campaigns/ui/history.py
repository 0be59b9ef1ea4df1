"""A month of receipts, made up, so that there is something to see."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from mailpartner_provider.lake.names import partition_file, receipt_file
from tests.support.bucket import Bucket
from tests.support.receipts import CHANGES, RECEIPT


def put_history(lake: Bucket, snapshots: str, changes: str, today: date, rows: int) -> None:
    """Write the receipts of a month into two folders; today's snapshot is still to be landed.

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
        uri = f"s3://{lake.name}/{snapshots}/{partition_file(day)}"
        told = replace(CHANGES, **dates, source_uri=uri, added=added, removed=removed)
        lake[f"{changes}/{receipt_file(day)}"] = told.to_json().encode()
        before = rows - added + removed
        counts = {"rows": rows, "previous_rows": before, "rejected": 0}
        if days_ago:
            measured = {"observed_at": f"{day}T05:30:04Z", "duration_seconds": draw.gauss(2, 0.3)}
            receipt = replace(RECEIPT, **dates, **counts, **measured, uri=uri)
            lake[f"{snapshots}/{receipt_file(day)}"] = receipt.to_json().encode()
        rows = before
