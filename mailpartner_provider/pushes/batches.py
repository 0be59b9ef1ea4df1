"""The batches of a destination: what one run of a task pushes, and the names of its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from mailpartner_provider.lake.names import day_in_name, is_push_file, push_file
from mailpartner_provider.lake.receipts import TaskRun

#: How the names of the receipt and of the confirmation end.
RECEIPT = "json"
CONFIRMED = "confirmed.json"

_ENDING = re.compile(rf"\.([0-9a-f]{{16}})\.({RECEIPT}|{re.escape(CONFIRMED)})$")


class Batch(NamedTuple):
    """The opt-outs that one run of a task pushes, in one or more tries."""

    day: date
    id: str

    def file(self, what: str) -> str:
        """Return the name of one of its files."""
        return push_file(self.day, self.id, what)


def batch_of(run: TaskRun, day: date) -> Batch:
    """Return the batch of a run of a task; each mapped task has its own."""
    identity = [run.dag_id, run.task_id, run.run_id, run.map_index]
    return Batch(day, hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16])


def finished_batches(names: Iterable[str]) -> dict[Batch, bool]:
    """Return the batches that have a receipt, and whether each has a confirmation, too.

    :param names: of all files of pushes
    """
    found: dict[str, set[Batch]] = {RECEIPT: set(), CONFIRMED: set()}
    for name in filter(is_push_file, names):
        day, ending = day_in_name(name), _ENDING.search(name)
        if day and ending:
            found[ending[2]].add(Batch(day, ending[1]))
    return {batch: batch in found[CONFIRMED] for batch in sorted(found[RECEIPT])}
