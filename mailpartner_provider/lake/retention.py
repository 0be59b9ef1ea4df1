"""Removal of old snapshots."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from mailpartner_provider.lake.names import (
    PARTITION_PREFIX,
    RECEIPTS,
    REJECTED,
    day_in_name,
    partition_file,
    receipt_file,
    rejected_file,
)
from mailpartner_provider.lake.storage import Destination

log = logging.getLogger(__name__)


def remove_old(destination: Destination, newest: date, keep_days: int) -> None:
    """Remove everything that was landed for days ``keep_days`` or more before a day.

    A day's receipt is removed first, because it must not promise what is gone; its partition last.
    The next removal finds whatever a killed one left.

    :param newest: the day that has just been landed, which is kept
    :raises OSError: the destination cannot be listed, or a file cannot be removed
    """
    prefixes = (PARTITION_PREFIX, RECEIPTS, REJECTED)
    existing = {name for prefix in prefixes for name in destination.sizes(prefix)}
    days = {day for name in existing if (day := day_in_name(name))}
    for day in sorted(day for day in days if newest - day >= timedelta(days=keep_days)):
        candidates = (receipt_file(day), rejected_file(day), partition_file(day))
        if to_remove := [name for name in candidates if name in existing]:
            for name in to_remove:
                destination.remove(name)
            log.info("Removed the snapshot of %s (keep_days=%d)", day, keep_days)
