"""Made-up suppression lists: the same every time, and shaped like real ones."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_FIRST = (
    "camille",
    "claude",
    "dominique",
    "emilie",
    "jean",
    "lea",
    "luc",
    "marie",
    "nicolas",
    "zoe",
)
_LAST = ("bernard", "blanc", "durand", "garnier", "lefevre", "martin", "moreau", "petit", "roux")
_DOMAINS = (
    "example.com",
    "example.fr",
    "example.net",
    "example.org",
    "mail.example",
    "post.example",
)


@dataclass(frozen=True)
class MadeUpList(Collection[dict[str, Any]]):
    """A list of any length, whose records are made each time it is iterated."""

    count: int
    first: datetime
    last: datetime
    seed: int = 19

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return make_unsubscribes(self.count, first=self.first, last=self.last, seed=self.seed)

    def __contains__(self, record: object) -> bool:
        return any(record == each for each in self)


def make_unsubscribes(
    count: int, *, first: datetime, last: datetime, seed: int = 19
) -> Iterator[dict[str, Any]]:
    """Make raw records with ascending ids, from one clock time of Paris to another, in waves."""
    draw = random.Random(seed)  # noqa: S311 - a seed has to give the same list again
    identifier = 18
    for position in range(count):
        identifier += draw.randint(1, 3)
        created = first + (last - first) * _wave(position / max(count - 1, 1))
        if created.month == 3 and created.hour == 2:  # an hour that one March night skips
            created += timedelta(hours=1)
        name = f"{draw.choice(_FIRST)}.{draw.choice(_LAST)}{draw.randrange(10**6)}"
        yield {
            "id": identifier,
            "email": f"{name}@{draw.choice(_DOMAINS)}",
            "createdAt": f"{created:%Y-%m-%d %H:%M:%S}",
        }


def _wave(share: float) -> float:
    """Bend an even spread from 0 to 1 into one of busy and quiet times."""
    return share + sum(math.sin(2 * math.pi * share * n) / (19 * n) for n in (3, 7, 11))
