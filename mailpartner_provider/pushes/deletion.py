"""The deletion of records by their ids, which are read from a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mailpartner_provider.errors import BadData, WrongArgument
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.pushes.receipt import CallsReceipt

_ID = re.compile(rb"[1-9][0-9]{0,17}")


@dataclass(frozen=True, kw_only=True)
class DeletionReceipt(CallsReceipt):
    """How many records were deleted.

    ``given`` = ``deleted`` + ``not_found``, except in a dry run. ``not_found`` includes records
    that an earlier try deleted.
    """

    dataset: str = "mailpartner.deletions"
    dry_run: bool
    given: int
    deleted: int
    not_found: int


def read_ids(data: bytes, uri: str) -> list[int]:
    """Read a file with an id on each line; blank lines are ignored.

    :raises WrongArgument: a line is not an id
    """
    ids = dict[int, None]()
    for number, line in enumerate(data.splitlines(), 1):
        text = line.strip()
        if _ID.fullmatch(text):
            ids[int(text)] = None
        elif text:
            raise WrongArgument(f"ids: line {number} of {uri} is no id of a record")
    return list(ids)


def delete_unsubscribes(
    ids: list[int],
    delete: Callable[[int], bool],
    *,
    dry_run: bool,
    max_deleted: int,
    run: TaskRun,
) -> DeletionReceipt:
    """Delete records one after the other; in a dry run, only count them.

    :param delete: deletes a record; returns whether it existed
    :raises BadData: there are more ids than ``max_deleted``
    """
    if len(ids) > max_deleted:
        raise BadData(
            f"{len(ids)} records would be deleted, more than max_deleted={max_deleted}: check the "
            "ids, since these people would be mailed again. Nothing was deleted"
        )
    deleted = 0 if dry_run else sum(map(delete, ids))
    return DeletionReceipt(
        dry_run=dry_run,
        given=len(ids),
        deleted=deleted,
        not_found=0 if dry_run else len(ids) - deleted,
        **run._asdict(),
    )
