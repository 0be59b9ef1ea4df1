"""The journal of a batch: the outcome of every person who was pushed, by hash.

It consists of small files, each written once and in one step; two tasks cannot write the same one.
The people whose outcomes a killed task had not written yet are pushed again, which is harmless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mailpartner_provider.api.additions import ADDED, ALREADY, INVALID, AddOutcome
from mailpartner_provider.days import parse_utc
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.names import PUSHES
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.pushes.batches import Batch

#: A killed task loses at most this many outcomes, or those of this many seconds.
FLUSH_OUTCOMES = 1000
FLUSH_SECONDS = 5.0


class Outcome(NamedTuple):
    """A line of a journal.

    :param landed: the hash by which a snapshot shows the person
    :param at: the instant of the answer
    """

    person: str
    landed: str
    status: str
    id: int | None
    at: str


class Journal:
    """The outcomes of a batch so far.

    :param name: the name of the member with a person's hash
    :param clock: returns seconds
    """

    def __init__(
        self, destination: Destination, batch: Batch, name: str, clock: Callable[[], float]
    ) -> None:
        self.batch = batch
        self._destination = destination
        self._name = name
        self._clock = clock
        parts = _parts_of(destination, batch)
        self._last = max((int(part.split(".")[-2]) for part in parts), default=0)
        self._unwritten: list[Outcome] = []
        self._written_at = clock()
        self.outcomes = {each.person: each for each in _read(destination, parts, name)}

    def record(self, person: str, landed: str, outcome: AddOutcome, at: str) -> None:
        """Record an outcome, and write the unwritten ones if there are many or some are old."""
        recorded = Outcome(person, landed, outcome.status, outcome.id, at)
        self.outcomes[person] = recorded
        self._unwritten.append(recorded)
        is_late = self._clock() - self._written_at >= FLUSH_SECONDS
        if is_late or len(self._unwritten) >= FLUSH_OUTCOMES:
            self.flush()

    def flush(self) -> None:
        """Write the outcomes that are not written yet.

        :raises Conflict: another task pushes the same batch
        :raises OSError: the destination cannot be written
        """
        if not self._unwritten:
            return
        lines = "".join(map(self._line, self._unwritten))
        name = self.batch.file(f"{self._last + 1:05}.jsonl")
        with self._destination.scratch() as scratch:
            commit = Commit(self._destination, scratch)
            commit.write(name, lambda: lines)  # not read before, so it must not exist
            commit.publish(lambda: None)
        self._last += 1
        self._unwritten.clear()
        self._written_at = self._clock()

    def _line(self, outcome: Outcome) -> str:
        members = {self._name: outcome.person, "outcome": outcome.status, "id": outcome.id}
        if outcome.landed != outcome.person:
            members["landed"] = outcome.landed
        return json.dumps({**members, "at": outcome.at}) + "\n"


def read_outcomes(destination: Destination, batch: Batch, name: str) -> Iterator[Outcome]:
    """Yield the outcomes of a batch.

    :raises BadData: a part of its journal is damaged
    """
    return _read(destination, _parts_of(destination, batch), name)


def _read(destination: Destination, parts: list[str], name: str) -> Iterator[Outcome]:
    for part in parts:
        content = destination.read(part)
        for line in content.data.splitlines() if content else ():
            yield _outcome(line, name, destination.uri(part))


def _parts_of(destination: Destination, batch: Batch) -> list[str]:
    part = re.compile(rf"{re.escape(batch.file(''))}[0-9]+\.jsonl")
    names = (f"{PUSHES}/{name}" for name in destination.list_folder(PUSHES))
    return sorted(filter(part.fullmatch, names))


def _outcome(line: bytes, name: str, uri: str) -> Outcome:
    try:
        members: dict[str, Any] = json.loads(line)
        person = str(members[name])
        landed = str(members.get("landed", person))
        status, at = members["outcome"], members["at"]
        parse_utc(at)
        if status in (ADDED, ALREADY, INVALID):
            return Outcome(person, landed, status, members["id"], at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the error would carry the line along
    raise BadData(
        f"{uri} is no journal of {name}: restore it; or delete it, and its people are asked again"
    )
