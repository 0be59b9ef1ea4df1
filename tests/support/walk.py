"""One case of a landing that is killed again and again, each time from the same start."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from mailpartner_provider.testing.server import StandIn
from tests.support.api import THREE
from tests.support.days import yesterday
from tests.support.lake import partition_name, receipt_name
from tests.support.landing import land
from tests.support.processes import Process, landing
from tests.support.stores import Store

#: A made-up list that shares nobody with ``THREE``, and a record that cannot be a row.
OLD = [{"id": key, "email": f"{key}@example.com"} for key in (1, 2)]
BAD = {"id": 21}
TERMS = {"max_rejected": 1, "max_shrink": None}


class Case(NamedTuple):
    """What was landed today before, if anything, and what is to be landed now."""

    before: list[dict[str, Any]] | None
    now: list[dict[str, Any]]


CASES = {
    "first": Case(None, THREE),
    "replacing": Case(OLD, THREE),
    "quarantine": Case(OLD, [*THREE, BAD]),
    "no more quarantine": Case([*OLD, BAD], THREE),
}


class Walk:
    """One case in one store, and how many kills it has survived there."""

    def __init__(self, api: StandIn, store: Store, temporary: Path, case: Case) -> None:
        self.api, self.store, self.temporary, self.case = api, store, temporary, case
        self.kills = self.survived = 0
        if case.before is not None:
            self._land(OLD, yesterday())
            self._land(case.before)
        self.before = store.files()
        self._was = store.opt_outs()
        self._land(case.now)
        self._is = store.opt_outs()
        self._names = set(store.files())
        self.begin()

    def begin(self) -> None:
        """Restore the store as it was at the start."""
        self.store.restore(self.before)
        self.api.unsubscribes = self.case.now

    def landing(self, **how: Any) -> AbstractContextManager[Process]:
        """Land in another process."""
        return landing(self.store.uri, **TERMS, **how)

    def check(self) -> None:
        """A warehouse sees the old partition whole or the new one; the next run lands the new one,
        with a receipt that is its own, and leaves nothing else."""
        self.kills += 1
        assert self.store.opt_outs() in (self._was, self._is)
        declared = self.store.files().get(receipt_name())

        receipt = self._land(self.case.now)

        files = self.store.files()
        assert receipt["changed"] is (
            declared is None or json.loads(declared)["sha256"] != receipt["sha256"]
        )
        assert self._is == self.store.opt_outs()
        assert receipt == json.loads(files[receipt_name()])
        assert receipt["sha256"] == hashlib.sha256(files[partition_name()]).hexdigest()
        assert receipt["declared"] == receipt["rows"] + receipt["rejected"]
        assert self._names == set(files)
        assert [] == list(self.temporary.iterdir())
        self.survived += 1

    def _land(self, unsubscribes: list[dict[str, Any]], day: date | None = None) -> dict[str, Any]:
        self.api.unsubscribes = unsubscribes
        return land(self.store, day, **TERMS)
