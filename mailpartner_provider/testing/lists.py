"""Made-up suppression lists: the same every time, and shaped like real ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

_FIRST = ("camille", "claude", "dominique", "emilie", "jean", "lea", "luc", "marie", "nicolas", "zoe")
_LAST = ("bernard", "blanc", "durand", "garnier", "lefevre", "martin", "moreau", "petit", "roux")
_DOMAINS = ("example.com", "example.fr", "example.net", "example.org", "mail.example", "post.example")


def make_unsubscribes(
    count: int, *, first: datetime, last: datetime, seed: int = 19
) -> Iterator[dict[str, Any]]:
    """Make raw records with ascending ids, spread evenly between two clock times of Paris."""
    draw = random.Random(seed)  # noqa: S311 - made-up people need no secure randomness
    step = (last - first) / max(count - 1, 1)
    identifier = 18
    for position in range(count):
        identifier += draw.randint(1, 3)
        created = first + position * step
        if created.month == 3 and created.hour == 2:  # an hour that one March night skips
            created += timedelta(hours=1)
        name = f"{draw.choice(_FIRST)}.{draw.choice(_LAST)}{draw.randrange(10**6)}"
        yield {
            "id": identifier,
            "email": f"{name}@{draw.choice(_DOMAINS)}",
            "createdAt": f"{created:%Y-%m-%d %H:%M:%S}",
        }
