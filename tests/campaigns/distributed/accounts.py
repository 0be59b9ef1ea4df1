"""Many accounts behind one address, which differ by their keys."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailpartner_provider.testing import answers
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.lists import MadeUpList
from mailpartner_provider.testing.server import StandIn

_FIRST, _LAST = map(datetime.fromisoformat, ("2016-01-01", "2026-01-01"))
_MORE_THAN_A_MEGABYTE = 13_000  # records, so that a landing has begun to write before the end
_SECONDS_AN_ANSWER = 0.5
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Account:
    """An account with a key and a list of its own, whose ids recur on other lists."""

    number: int

    @property
    def name(self) -> str:
        return f"shop{self.number:02}"

    @property
    def key(self) -> str:
        return f"key/of+{self.name}%"

    @property
    def unsubscribes(self) -> MadeUpList:
        count = _MORE_THAN_A_MEGABYTE + self.number
        return MadeUpList(count, first=_FIRST, last=_LAST, seed=self.number)


class Accounts(StandIn):
    """A stand-in that counts who asks and how many at once, and may keep all of them waiting."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        super().__init__()
        self.forget()
        self.at_once = 0
        self._by_key = {account.key: account for account in accounts}
        self._counting = threading.Lock()
        self._going_on = threading.Event()
        self._going_on.set()

    @property
    def connections(self) -> dict[str, str]:
        """Airflow's connections to the accounts, as its environment has them."""
        usual = json.loads(self.connection)
        return {
            f"AIRFLOW_CONN_MAILPARTNER_{account.name.upper()}": json.dumps(
                usual | {"password": key}
            )
            for key, account in self._by_key.items()
        }

    def forget(self) -> None:
        """Count from zero, who asks and how many at once."""
        self.asked_by: Counter[str] = Counter()
        self.most_at_once = 0

    def answer(self, path: str, arguments: Mapping[str, Any], method: str = "GET") -> Answer:
        account = self._by_key.get(arguments.get("apiKey", ""))
        if account is None or path != "/v1/unsubscribe/list":
            return answers.refusal(10, "Clé API incorrecte", 403)
        usual = answers.unsubscribe_list(account.unsubscribes)
        return replace(usual, body=self._counted(account, usual.pieces()))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every answer waiting before its end."""
        self._going_on.clear()
        try:
            yield
        finally:
            self._going_on.set()

    def _counted(self, account: Account, pieces: Iterator[bytes]) -> Iterator[bytes]:
        with self._counting:
            self.asked_by[account.name] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(_SECONDS_AN_ANSWER)
            *begin, end = pieces
            yield from begin
            self._going_on.wait(_PATIENCE_SECONDS)
            yield end
        finally:
            with self._counting:
                self.at_once -= 1


ACCOUNTS = [Account(number) for number in range(40)]
