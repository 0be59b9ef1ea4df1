"""Remove the snapshots that are older than their time."""

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
    """Remove all that was landed for days that lie ``keep_days`` or more before a day.

    A day's receipt goes first, for it must not promise what is gone; its partition goes last.
    Whatever a removal that was killed has left is found by the next one.

    :param newest: the day that was landed just now, which stays
    :raises OSError: the destination cannot be listed, or something cannot be removed
    """
    prefixes = (PARTITION_PREFIX, RECEIPTS, REJECTED)
    standing = {name for prefix in prefixes for name in destination.sizes(prefix)}
    days = {day for name in standing if (day := day_in_name(name))}
    for day in sorted(day for day in days if newest - day >= timedelta(days=keep_days)):
        names = (receipt_file(day), rejected_file(day), partition_file(day))
        if removable := [name for name in names if name in standing]:
            for name in removable:
                destination.remove(name)
            log.info("Removed the snapshot of %s, for keep_days is %d", day, keep_days)
