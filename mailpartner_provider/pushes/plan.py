"""The plan of a push: the given people, except those on the list and those already pushed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mailpartner_provider.errors import BadData
from mailpartner_provider.pushes.journal import Outcome
from mailpartner_provider.pushes.listed import Listed


class Plan(NamedTuple):
    """The people to push (hash: address), and the counts of the others."""

    given: int
    empty: int
    distinct: int
    already_listed: int
    people: dict[str, str]


def make_plan(
    rows: Iterable[str | None], listed: Listed, pushed: Mapping[str, Outcome], scratch: Path
) -> Plan:
    """Decide which people to push.

    Memory grows with the given people, not with the list. If an address is given in several
    spellings, the alphabetically first is pushed, so that every try pushes the same one.

    :param rows: the addresses; None or blank where a row has none
    :param pushed: the people who already have an outcome from an earlier try
    """
    given = empty = 0
    people: dict[str, str] = {}
    for address in rows:
        given += 1
        address = (address or "").strip()
        if address:
            person = listed.person_hash.of(address)
            people[person] = min(address, people.get(person, address))
        else:
            empty += 1
    distinct = len(people.keys() | pushed.keys())
    for person in pushed:
        people.pop(person, None)
    known = len(people)
    _remove_listed(people, listed, scratch)
    return Plan(given, empty, distinct, known - len(people), people)


def check_max_added(plan: Plan, pushed: int, max_added: int) -> None:
    """Check the size of a batch, so that a wrong join does not suppress everybody.

    :param pushed: the number of people who already have an outcome
    :raises BadData: the batch has more than ``max_added`` people
    """
    wanted = len(plan.people) + pushed
    if wanted > max_added:
        raise BadData(
            f"{wanted} of {plan.distinct} people would be added, more than max_added={max_added}: "
            "check the source, since nobody can be taken off the list in bulk; if so many people "
            "did opt out, run once with a higher max_added. Nobody was pushed"
        )


def _remove_listed(people: dict[str, str], listed: Listed, scratch: Path) -> None:
    """Remove the people who are on the list."""
    owners = {listed.person_hash.landed(address): person for person, address in people.items()}
    for hashed in listed.hashes(scratch):
        people.pop(owners.get(hashed, hashed), None)
