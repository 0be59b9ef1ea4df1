"""The confirmation of pushes: looking up the pushed people in the next snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from mailpartner_provider.api.additions import INVALID
from mailpartner_provider.days import parse_utc
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.names import PUSHES
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.pushes.batches import CONFIRMED, RECEIPT, Batch, finished_batches
from mailpartner_provider.pushes.journal import read_outcomes
from mailpartner_provider.pushes.listed import Listed
from mailpartner_provider.pushes.receipt import CallsReceipt


@dataclass(frozen=True, kw_only=True)
class ConfirmationReceipt(CallsReceipt):
    """The result of looking up batches in the newest live snapshot.

    ``people`` = ``confirmed`` + ``missing``, in ``batches`` batches. ``waiting`` counts the batches
    that ended after the snapshot was taken.
    """

    dataset: str = "mailpartner.push_confirmations"
    batches: int
    waiting: int
    people: int
    confirmed: int
    missing: int
    snapshot_uri: str
    snapshot_date: str


class _Declared(NamedTuple):
    """The instant at which a push ended, and how many people must be on the list since."""

    ended_at: str | None
    people: int


def confirm_pushes(
    destination: Destination, listed: Listed, max_missing: int, run: TaskRun
) -> ConfirmationReceipt:
    """Look up the pushed people in the newest live snapshot; write a confirmation of each batch.

    A confirmed batch is not looked up again, because people may be removed from the list later.

    :param max_missing: the number of people who may be missing
    :raises BadData: more people are missing, or a receipt or a journal is damaged
    :raises Conflict: another task confirms the same batches, or replaces the snapshot
    :raises OSError: a file cannot be read or written
    """
    observed_at = parse_utc(listed.receipt.observed_at)
    people, waiting = dict[Batch, set[str]](), 0
    for batch, declared in _unconfirmed(destination):
        if declared.ended_at is not None and parse_utc(declared.ended_at) >= observed_at:
            waiting += 1
        else:
            people[batch] = _people(destination, batch, declared, listed.person_hash.name)
    missing = set[str]().union(*people.values())
    with destination.scratch() as scratch:
        if missing:
            missing.difference_update(listed.hashes(scratch))
        total = sum(map(len, people.values()))
        lost = sum(len(each & missing) for each in people.values())
        receipt = ConfirmationReceipt(
            batches=len(people),
            waiting=waiting,
            people=total,
            confirmed=total - lost,
            missing=lost,
            snapshot_uri=listed.receipt.uri,
            snapshot_date=listed.receipt.snapshot_date,
            **run._asdict(),
        )
        commit = Commit(destination, scratch)
        for batch, pushed in people.items():
            if lost <= max_missing or not pushed & missing:
                commit.write(batch.file(CONFIRMED), partial(_text, receipt, pushed, missing))
        commit.publish(lambda: None)
    if lost > max_missing:
        raise BadData(
            f"{lost} of {total} people who were pushed are not on the list of "
            f"{receipt.snapshot_date}: push them again; if somebody took them off the list, run "
            f"once with max_missing={lost}"
        )
    return receipt


def _text(receipt: ConfirmationReceipt, pushed: set[str], missing: set[str]) -> str:
    lost = len(pushed & missing)
    own = {"people": len(pushed), "confirmed": len(pushed) - lost, "missing": lost}
    members = {**receipt.as_dict(), **own}
    del members["batches"], members["waiting"]
    return json.dumps(members, indent=2) + "\n"


def _people(destination: Destination, batch: Batch, declared: _Declared, name: str) -> set[str]:
    """Return the hashes of the people in a batch who must be on the list.

    :param name: of the member with a person's hash
    :raises BadData: the journal has fewer people than the receipt declares
    """
    outcomes = read_outcomes(destination, batch, name)
    listed = [each.landed for each in outcomes if each.status != INVALID]
    if len(listed) < declared.people:
        raise BadData(
            f"{destination.uri(batch.file(RECEIPT))} declares {declared.people} people, and its "
            f"journal has {len(listed)}: restore the journal, or delete the receipt and push again"
        )
    return set(listed)


def _unconfirmed(destination: Destination) -> Iterator[tuple[Batch, _Declared]]:
    """Yield each finished batch without a confirmation, and what its receipt declares."""
    names = (f"{PUSHES}/{name}" for name in destination.list_folder(PUSHES))
    for batch, is_confirmed in finished_batches(names).items():
        receipt = batch.file(RECEIPT)
        content = None if is_confirmed else destination.read(receipt)
        if content:
            yield batch, _declared(content.data, destination.uri(receipt))


def _declared(data: bytes, uri: str) -> _Declared:
    try:
        members = json.loads(data)
        ended_at: str | None = members["ended_at"]
        if ended_at is not None:
            parse_utc(ended_at)
        return _Declared(ended_at, int(members["added"]) + int(members["already"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(
            f"{uri} is no receipt of a push: restore it, or delete it, so that its batch counts as "
            "not finished"
        ) from error
