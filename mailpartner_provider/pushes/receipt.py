"""The receipt of a batch: counts and instants; never a person."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mailpartner_provider import __version__

RECEIPT_VERSION = 1
RECEIPT = "json"  # the end of its file's name


@dataclass(frozen=True, kw_only=True)
class PushReceipt:
    """What a batch was, and what became of it.

    ``distinct`` = ``already_listed`` + ``to_push``, and after a push ``to_push`` = ``added`` +
    ``already`` + ``invalid``, over all tries of the batch. ``empty`` rows have no address.
    ``already`` were on the list and not on the snapshot, or the answer that added them was lost.
    ``resumed`` outcomes were known from earlier tries. ``seconds`` is the time that this try took,
    or, after a dry run, that the push would take at least.
    """

    receipt_version: int = RECEIPT_VERSION
    dataset: str = "mailpartner.pushes"
    provider_version: str = __version__
    batch: str
    push_date: str
    uri: str
    dry_run: bool
    given: int
    empty: int
    distinct: int
    already_listed: int
    to_push: int
    added: int
    already: int
    invalid: int
    resumed: int
    per_minute: int
    seconds: float
    ended_at: str | None
    snapshot_uri: str
    snapshot_date: str
    conn_id: str | None
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    map_index: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return a flat dict of strings, numbers, booleans and nulls."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the text of the receipt's file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"
