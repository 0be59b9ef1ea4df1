"""A loss of power at any moment leaves a folder from which the next landing goes on.

The operations of work in a folder are recorded. Then each state that a disk may be in after any of
them is restored: whatever was not written through is there, or half of it, or nothing.
"""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from mailpartner_provider.lake.layouts import CREATED, INDEX, SNAPSHOT
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.privacy.erasure import erase
from tests.support.days import days_ago, yesterday
from tests.support.erasing import NOW, ZOE
from tests.support.lake import Lake, partition_name
from tests.support.meetings import Account, Lander, differing, holds_newest
from tests.support.power import Disk

WORK = {
    "landing": lambda lander, folder: lander.live(folder),
    "erasure": lambda lander, folder: erase(folder, [ZOE], [], NOW),
    "retention": lambda lander, folder: lander.live(folder),
}


@pytest.mark.parametrize(
    ("kind", "partition_by"),
    [
        ("landing", SNAPSHOT),
        ("landing", CREATED),
        ("erasure", SNAPSHOT),
        ("erasure", CREATED),
        ("retention", SNAPSHOT),
    ],
)
def test_states(tmp_path, kind, partition_by):
    """Every file is an old one or a new one, whole; a receipt never comes before what it declares;
    the next run of the same work finishes it."""
    lake = Lake(tmp_path)
    folder = LocalFolder(tmp_path)
    lander = Lander(Account(differing), partition_by, keep_days=2 if kind == "retention" else None)
    for day in (days_ago(6), days_ago(5), yesterday()):
        lander.live(folder, day)
    lander.live(folder)
    before, disk = lake.files(), Disk(tmp_path)

    disk.record(lambda: WORK[kind](lander, folder))

    after = lake.files()
    written = {name: {before.get(name), after.get(name)} for name in before | after}
    assert len(disk.states) > len(after.items() - before.items())
    for state in disk.states:
        for name, data in state.items():
            is_interim = name == INDEX or (kind == "erasure" and b"next_sha256" in data)
            assert data in written[name] or is_interim
        json.loads(state.get(INDEX, b"{}"))
        if kind != "erasure" and partition_by == SNAPSHOT:
            assert [] == promised_too_early(state, before)
        lake.restore(state)
        WORK[kind](lander, folder)
        holds_newest(lake.files(), lander, partition_by, is_erased=kind == "erasure")
        assert not lander.again(folder).changed


def promised_too_early(state, before):
    """List the receipts whose partition is missing, and the new ones whose partition is not new."""
    early = []
    for name, data in state.items():
        if name.startswith("_receipts/"):
            receipt = json.loads(data)
            partition = state.get(partition_name(receipt["snapshot_date"]))
            is_new = data != before.get(name)
            if partition is None or (is_new and receipt["sha256"] != sha256(partition).hexdigest()):
                early.append(name)
    return early
