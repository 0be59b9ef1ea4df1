"""The receipt of a batch: counts and instants; never a person."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mailpartner_provider import __version__

RECEIPT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CallsReceipt:
    """The members that the receipts of pushes, confirmations and deletions have."""

    dataset: str
    provider_version: str = __version__
    conn_id: str | None
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    map_index: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return a flat dict of strings, numbers, booleans and nulls."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PushReceipt(CallsReceipt):
    """The counts of a batch, over all of its tries.

    ``distinct`` = ``already_listed`` + ``to_push``; after a push, ``to_push`` = ``added`` +
    ``already`` + ``invalid``. ``empty`` rows have no address. ``already``: the API had the person
    on the list, but the snapshot had not, or an earlier answer was lost. ``resumed``: the outcome
    is from an earlier try. ``seconds``: the duration of this try; in a dry run, the least that the
    push would take.
    """

    receipt_version: int = RECEIPT_VERSION
    dataset: str = "mailpartner.pushes"
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

    def to_json(self) -> str:
        """Return the text of the receipt's file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"
