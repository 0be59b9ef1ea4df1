"""What Airflow's metrics (StatsD, OpenTelemetry) are told of a landing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Stats

from mailpartner_provider.lake.receipts import read_utc

if TYPE_CHECKING:
    from mailpartner_provider.lake.receipts import Receipt


def send(receipt: Receipt, duration: timedelta) -> None:
    """Send the metrics of a landing, tagged with its ``dag_id``, ``task_id`` and ``conn_id``.

    Gauges ``mailpartner.rows``, ``mailpartner.bytes``, ``mailpartner.rejected`` and
    ``mailpartner.lag``, which is how many seconds before the answer the newest person on the list
    had opted out; a timing, ``mailpartner.duration``.
    """
    names = ("dag_id", "task_id", "conn_id")
    tags = {name: tag for name in names if (tag := getattr(receipt, name))}
    gauges: dict[str, float] = {
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "rejected": receipt.rejected,
    }
    if receipt.max_created_at:
        lag = read_utc(receipt.observed_at) - read_utc(receipt.max_created_at)
        gauges["lag"] = lag.total_seconds()
    for name, value in gauges.items():
        Stats.gauge(f"mailpartner.{name}", value, tags=tags)
    Stats.timing("mailpartner.duration", duration, tags=tags)
