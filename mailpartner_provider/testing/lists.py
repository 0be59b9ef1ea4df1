"""Made-up suppression lists: reproducible, and shaped like real ones."""

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
    """A list of any length; each iteration generates its records."""

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
    """Generate raw records with ascending ids, with busy and quiet times.

    :param first: the first ``createdAt``, a clock time of Paris
    :param last: the last ``createdAt``, a clock time of Paris
    """
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    identifier = 18
    for position in range(count):
        identifier += draw.randint(1, 3)
        created = first + (last - first) * _wave(position / max(count - 1, 1))
        if created.month == 3 and created.hour == 2:  # one night in March skips this hour
            created += timedelta(hours=1)
        name = f"{draw.choice(_FIRST)}.{draw.choice(_LAST)}{draw.randrange(10**6)}"
        yield {
            "id": identifier,
            "email": f"{name}@{draw.choice(_DOMAINS)}",
            "createdAt": f"{created:%Y-%m-%d %H:%M:%S}",
        }


def _wave(share: float) -> float:
    """Map evenly spread shares from 0 to 1 to busy and quiet times."""
    return share + sum(math.sin(2 * math.pi * share * n) / (19 * n) for n in (3, 7, 11))
