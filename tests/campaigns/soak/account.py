"""An account whose list changes every day, what each day's list must become, and who is on it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from tests.support.days import PARIS
from tests.support.plain import plain, plain_row, read_plainly

#: In every address, so that one that leaked is found.
MARK = "@soak.example"
_PEOPLE_AT_FIRST = 200

Rows = Counter[tuple[Any, ...]]


class Elsewhere(NamedTuple):
    """Opt-outs that were collected elsewhere: people who are not on the list, people who are, and
    what is no address; ``rows`` has all of them, some in two spellings, and some rows without."""

    new: set[str]
    listed: set[str]
    invalid: set[str]
    rows: list[str | None]


class Account:
    """A list that people join and leave, drawn from a seed.

    ``said_no`` has everybody who said no, by a link or elsewhere, and was not taken off the list
    since; ``taken_off`` has the others.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._next_id = 1
        self._day = date.min
        self.unsubscribes: list[dict[str, Any]] = []
        self.said_no: set[str] = set()
        self.taken_off: set[str] = set()

    def live_through(self, day: date) -> None:
        """Add opt-outs of a day, remove some, and correct some records."""
        draw = self._draw
        joining = draw.randrange(30) if self.unsubscribes else _PEOPLE_AT_FIRST
        staying = [each for each in self.unsubscribes if draw.random() > 0.02]
        corrected = [
            {**each, "reason": "asked"} if draw.random() < 0.01 else each for each in staying
        ]
        if draw.random() < 0.03:  # an account that is closed, and one that is opened again
            corrected = corrected[: len(corrected) * 2 // 3]
        self.taken_off |= (gone := people(self.unsubscribes).keys() - people(corrected).keys())
        joined = [self._record(day) for _ in range(joining)]
        self.said_no = self.said_no - gone | people(joined).keys()
        self.unsubscribes = corrected + joined
        self._day = day

    def hear(self) -> Elsewhere:
        """Draw people who say no elsewhere; the list does not have the new ones yet."""
        draw = self._draw
        numbers = range(self._next_id, self._next_id + draw.randint(5, 30))
        self._next_id = numbers.stop
        new = [f"S{number}{MARK}" for number in numbers]
        again = [f" {each.lower()}\t" for each in new if draw.random() < 0.2]
        landed = [each for each in self.unsubscribes if each["id"] != "x" and each["email"]]
        listed = [each["email"].upper() for each in draw.sample(landed, min(9, len(landed)))]
        invalid = [f"no address {number}{MARK}" for number in range(draw.randrange(3))]
        rows = [*new, *again, *listed, *invalid, None, "  "]
        draw.shuffle(rows)
        told = Elsewhere(
            *({person(each) for each in some} for some in (new, listed, invalid)), rows
        )
        self.said_no |= told.new
        return told

    def add(self, email: str) -> dict[str, Any]:
        """Add an opt-out to the list, as the API does; return its raw record."""
        record = {"id": self._next_id, "email": email, "createdAt": f"{self._day} 12:00:00"}
        self._next_id += 1
        self.unsubscribes = [*self.unsubscribes, record]
        return record

    def rows(self) -> Rows:
        """Return what the list must become by the contract: rows, and records in quarantine."""
        raws = plain(read_plainly(json.dumps(self.unsubscribes)))
        return Counter(
            row_key(*row) if (row := plain_row(raw, PARIS)) else record_key(raw) for raw in raws
        )

    def _record(self, day: date) -> dict[str, Any]:
        """Make a record: mostly an ordinary one, now and then an odd one."""
        draw, number = self._draw, self._next_id
        self._next_id += draw.randint(1, 3)
        at = datetime.combine(day, time()) + timedelta(seconds=draw.randrange(43_200))
        record = {"id": number, "email": f"p{number}{MARK}", "createdAt": str(at)}
        odd: list[dict[str, Any]] = [
            {"createdAt": None},
            {"createdAt": "0000-00-00 00:00:00"},
            {"createdAt": {"date": f"{at}.000000", "timezone_type": 3, "timezone": "Europe/Paris"}},
            {"createdAt": f"{at.isoformat()}+02:00"},
            {"id": str(number)},
            {"email": f"  Pé{number},{{{MARK} "},
            {"reason": "spam", "via": ["list", 4]},
            {"email": None},
            {"id": "x"},
        ]
        return {**record, **draw.choice(odd)} if draw.random() < 0.1 else record


def person(address: str) -> str:
    """Return by which an address is the same person's as another spelling."""
    return address.strip().lower()


def people(records: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Count the records of each person."""
    return Counter(person(each["email"]) for each in records if each["email"])


def record_key(record: Any) -> tuple[Any, ...]:
    """Make a record in quarantine comparable."""
    return ("quarantine", json.dumps(record, sort_keys=True))


def row_key(identifier: int, email: str, created_at: Any, extra_fields: Any) -> tuple[Any, ...]:
    """Make a row comparable, whatever its extra fields are written like."""
    if isinstance(extra_fields, str):
        extra_fields = json.loads(extra_fields)
    extra = extra_fields and json.dumps(extra_fields, sort_keys=True, default=str)
    return identifier, email, created_at, extra
