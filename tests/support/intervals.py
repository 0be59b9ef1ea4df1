"""The intervals in which people were suppressed, from a look at every snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from tests.support.warehouses import in_order


def intervals(account: str, days: Mapping[date, Iterable[tuple]]) -> list[tuple]:
    """Go through the snapshots, day by day; return who was on the list from when to when."""
    ended: list[tuple] = []
    open_: dict[tuple, list[Any]] = {}
    before = None
    for day, records in days.items():
        listed: dict[tuple, list[Any]] = {}
        for id_, address, created_at, _ in records:
            listed.setdefault((key_of(address), id_), []).append(created_at)
        for person in open_.keys() - listed.keys():
            since, created = open_.pop(person)
            ended.append((account, *person, _least(created), since, day, before))
        for person, created in listed.items():
            open_.setdefault(person, [day, []])[1].extend(created)
        before = day
    still = [
        (account, *person, _least(created), since, None, None)
        for person, (since, created) in open_.items()
    ]
    return in_order([*ended, *still])


def comebacks(account: str, days: Mapping[date, Iterable[tuple]]) -> list[tuple]:
    """Go through the snapshots, day by day; return who was on the list again, and from when."""
    found: list[tuple] = []
    ever: set[str] = set()
    before: set[str] = set()
    for day, records in days.items():
        listed = {key_of(address) for _, address, *_ in records}
        found += [(account, key, day) for key in listed & ever - before]
        ever, before = ever | listed, listed
    return in_order(found)


def key_of(address: str) -> str:
    """Return the key of an address as the lake's hashes are made, or its token once erased."""
    if address.startswith("sha256:"):
        return address.removeprefix("sha256:")
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def _least(instants: list[datetime | None]) -> datetime | None:
    return min(filter(None, instants), default=None)
