"""An account whose list changes every day, and the rows that each day's list must become."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any

from tests.support.days import PARIS
from tests.support.plain import plain, plain_row, read_plainly

#: In every address, so that one that leaked is found.
MARK = "@soak.example"
_PEOPLE_AT_FIRST = 200

Rows = Counter[tuple[Any, ...]]


class Account:
    """A list that people join and leave, drawn from a seed."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._next_id = 1
        self.unsubscribes: list[dict[str, Any]] = []

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
        self.unsubscribes = corrected + [self._record(day) for _ in range(joining)]

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


def record_key(record: Any) -> tuple[Any, ...]:
    """Make a record in quarantine comparable."""
    return ("quarantine", json.dumps(record, sort_keys=True))


def row_key(identifier: int, email: str, created_at: Any, extra_fields: Any) -> tuple[Any, ...]:
    """Make a row comparable, whatever its extra fields are written like."""
    if isinstance(extra_fields, str):
        extra_fields = json.loads(extra_fields)
    extra = extra_fields and json.dumps(extra_fields, sort_keys=True, default=str)
    return identifier, email, created_at, extra
