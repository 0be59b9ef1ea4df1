"""Erasure of people from a destination: hashes replace their addresses in every file.

In the terms of the GDPR this is pseudonymisation (4(5)), kept to honour an objection (21(3)): the
hash is needed to recognise the person, and not to mail them again.

The list of erased people is published first, so that no landing brings an address back. Then each
file is replaced as a whole. If an erasure is killed, the next one completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from mailpartner_provider.days import iso_utc
from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.layouts import list_partitions, read_index
from mailpartner_provider.lake.names import ERASED, REJECTED
from mailpartner_provider.lake.scratch import SCRATCH_PREFIX
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList, hashes_of, read_erasure_list
from mailpartner_provider.privacy.keyed import find_keyed_people
from mailpartner_provider.privacy.replacing import (
    Erasure,
    ReplacedFile,
    replace_created,
    replace_quarantine,
    replace_snapshot,
)

_TRIES = 5
_T = TypeVar("_T")


class Report(NamedTuple):
    """The result of an erasure.

    :param files: the files that were replaced; none if everybody found had been erased before
    :param found_in: for each address, the number of files with the person, also by a hash
    :param unsearched: what may still hold an address, and why
    """

    files: list[ReplacedFile]
    found_in: list[int]
    unsearched: list[str]


def erase(
    destination: Destination,
    emails: Sequence[str],
    hmac_keys: Sequence[bytes],
    erased_at: datetime,
    *,
    dry_run: bool = False,
) -> Report:
    """Erase people from every partition and quarantine of a destination.

    Their rows remain, so that ids and counts still agree. In ``email``, ``sha256:`` and the SHA-256
    of the normal form replace the address; ``extra_fields`` of these rows, or with these people,
    become null. A quarantined record with one of them is replaced with the hash. Receipts are
    updated.

    :param emails: the people's addresses
    :param hmac_keys: the keys of ``email_mode="hmac"``, where partitions were landed so
    :param dry_run: find everybody, and change nothing
    :raises WrongArgument: a partition was landed with ``email_mode="hmac"``, and there is no key
    :raises BadData: a file cannot be read, and may hold an address
    :raises Conflict: other tasks have kept changing the destination: erase again
    :raises OSError: the destination cannot be read or written
    """
    with destination.scratch() as scratch:
        erasure = Erasure(destination, scratch, ErasureList(), {}, len(hmac_keys), dry_run)

        def publish_list() -> ErasureList:
            commit = erasure.commit()
            listed = read_erasure_list(commit)
            erased = listed.adding(emails, hmac_keys, iso_utc(erased_at))
            if erased != listed:
                commit.write(ERASED, erased.to_lines)
                erasure.publish(commit)
            return erased

        erasure = erasure._replace(erased=_repeat(publish_list))
        files, unsearched = _redact(erasure)
        unsearched += _other_scratch(erasure)
    people = [hashes_of(email, hmac_keys).keys() for email in emails]
    found_in = [
        sum(not person.isdisjoint(found) for found in erasure.found.values()) for person in people
    ]
    return Report(files, found_in, unsearched)


def _other_scratch(erasure: Erasure) -> list[str]:
    """List the scratch folders of others in the destination, which hold whole lists."""
    return [
        f"{erasure.destination.uri(name)}: of a landing that is running, or was killed on another "
        "host; once none is running, delete it"
        for name in erasure.destination.list_folder("")
        if name.startswith(SCRATCH_PREFIX) and name != erasure.scratch.name
    ]


def _redact(erasure: Erasure) -> tuple[list[ReplacedFile], list[str]]:
    """Redact everybody; return the replaced files, and what could not be searched."""
    destination, names = erasure.destination, sorted(list_partitions(erasure.commit()))
    unsearched: list[str] = []
    if erasure.keys:
        ids, unsearched = find_keyed_people(
            destination, names, erasure.scratch, erasure.erased, erasure.keys
        )
        erasure = erasure._replace(keyed_ids=ids)
    if read_index(erasure.commit()) is None:
        snapshots = (_repeat(partial(replace_snapshot, erasure, name)) for name in names)
        partitions = [each for each in snapshots if each]
    else:
        partitions = _repeat(partial(replace_created, erasure))
    quarantines = sorted(destination.list_files(REJECTED))
    rejected = (_repeat(partial(replace_quarantine, erasure, name)) for name in quarantines)
    return [*partitions, *(each for each in rejected if each)], unsearched


def _repeat(act: Callable[[], _T]) -> _T:
    """Call a function, a few times if other landings conflict with it."""
    for _ in range(_TRIES - 1):
        with suppress(Conflict):
            return act()
    return act()
