"""Removal of old snapshots, and of old journals of pushes."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import receipts
from mailpartner_provider.lake.names import (
    PARTITION_PREFIX,
    PUSHES,
    RECEIPTS,
    REJECTED,
    day_in_name,
    is_push_file,
    partition_file,
    receipt_file,
    rejected_file,
)
from mailpartner_provider.lake.receipts import LIVE
from mailpartner_provider.lake.storage import Destination

log = logging.getLogger(__name__)


def remove_old(destination: Destination, newest: date, keep_days: int) -> None:
    """Remove everything that was landed for days ``keep_days`` or more before a day.

    The last live snapshot before the day is always kept, because the changes of the day are
    computed from it. The receipts are removed first, so that none declares a missing file; the
    partitions last. If a removal is killed, the next one removes the rest.

    :param newest: the day that has just been landed, which is kept
    :raises Conflict: another task has just landed one of the days
    :raises OSError: the destination cannot be listed, or a file cannot be removed
    """
    with destination.scratch() as scratch:
        commit = Commit(destination, scratch)
        existing = {
            name
            for prefix in (PARTITION_PREFIX, RECEIPTS, REJECTED)
            for name in commit.list_files(prefix)
        }
        days = {
            day
            for name in existing
            if (day := day_in_name(name)) and day < newest and name in _files_of(day)
        }
        earlier = receipts(commit, sorted(days, reverse=True))
        last_live = next((each.day for each in earlier if each.status == LIVE), None)
        kept = {last_live, *(day for day in days if newest - day < timedelta(days=keep_days))}
        day_before = newest - timedelta(days=1)
        if receipt_file(day_before) not in existing:  # its landing may be about to write it
            kept.add(day_before)
        old = sorted(days - kept)
        for names in zip(*map(_files_of, old), strict=True):
            commit.remove(name for name in names if name in existing)
        commit.publish(lambda: None)
        if old and destination.has_etags:
            _check_removed(destination, old)
    for day in old:
        log.info("Removed the snapshot of %s (keep_days=%d)", day, keep_days)


def _check_removed(destination: Destination, days: list[date]) -> None:
    """Check that no day was landed again during its removal, which may have taken its partition.

    A partition that is landed again with the same bytes has the same ETag in S3.
    """
    if again := destination.list_files(RECEIPTS).keys() & set(map(receipt_file, days)):
        raise Conflict(f"{destination.uri(min(again))} has just been changed by another task")


def _files_of(day: date) -> tuple[str, ...]:
    """Return the files of a day, in the order in which they are removed."""
    return receipt_file(day), rejected_file(day), partition_file(day)


def remove_old_pushes(destination: Destination, newest: date, keep_days: int) -> None:
    """Remove the journals and receipts of batches that are ``keep_days`` or more before a day.

    :raises Conflict: another task has just pushed one of the batches
    :raises OSError: the destination cannot be listed, or a file cannot be removed
    """
    with destination.scratch() as scratch:
        commit = Commit(destination, scratch)
        names = filter(is_push_file, commit.list_files(PUSHES))
        days = {name: day_in_name(name) or newest for name in names}
        old = [name for name, day in days.items() if newest - day >= timedelta(days=keep_days)]
        # The receipts first, whose names are the shortest, so that none declares a missing journal.
        commit.remove(sorted(old, key=len))
        commit.publish(lambda: None)
    if old:
        log.info("Removed %d files of pushes (keep_days=%d)", len(old), keep_days)
