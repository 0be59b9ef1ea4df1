"""Two landings of the same day at once: the lists of two accounts, and who has won."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

from tests.support.api import THREE
from tests.support.lake import BucketLake, Lake, OptOuts, partition_name, receipt_name
from tests.support.landing import land, operator
from tests.support.walk import BAD, OLD, TERMS

ONE, OTHER = OLD, [*THREE, BAD]


def seen(folder: Path) -> list[OptOuts]:
    """Land the list of either account in a place of its own; return what a warehouse sees."""
    lakes = [Lake(folder / conn_id) for conn_id in ("mailpartner_default", "other")]
    for lake in lakes:
        land(lake, mailpartner_conn_id=lake.folder.name, **TERMS)
    return [lake.opt_outs() for lake in lakes]


def land_beside(destination: Any, **arguments: Any) -> dict[str, Any]:
    """Land in a thread; Airflow 2's wrapper of ``execute`` works in the first thread only."""
    task = operator(destination, **arguments)
    return inspect.unwrap(type(task).execute)(task, {})


def reconciled(store: Lake | BucketLake) -> dict[str, Any]:
    """Return the receipt of today, which must be that of the partition and of the quarantine."""
    files = store.files()
    receipt = json.loads(files[receipt_name()])
    assert receipt["sha256"] == hashlib.sha256(files[partition_name()]).hexdigest()
    assert receipt["rejected"] == sum(name.startswith("_rejected/") for name in files)
    assert 2 + bool(receipt["rejected"]) == len(files)
    return receipt
