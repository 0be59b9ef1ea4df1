"""Destinations that earlier commits wrote: unpacked where a test wants them, and read."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import time_machine

from mailpartner_provider.__main__ import main
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.support.days import PARIS
from tests.support.lake import files
from tests.support.landing import land

ARCHIVES = Path(__file__).parents[1] / "landing" / "upgrade"

#: The commits, the oldest first, and the folders that each could write; make.py says what they are.
VERSIONS: dict[str, tuple[str, ...]] = {
    "6c480b2": ("snapshots",),
    "f1e9eea": ("snapshots", "changes"),
    "993d566": ("snapshots", "changes", "created", "hashed"),
    "2e19e9c": ("snapshots", "changes", "created", "hashed", "erased"),
    "885800b": ("snapshots", "changes", "created", "hashed", "erased"),  # with duration_seconds
    "f22b3cd": ("snapshots", "changes", "created", "hashed", "erased"),
}
#: With which arguments the folders were landed.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "snapshots": {},
    "created": {"partition_by": "created"},
    "hashed": {"email_mode": "sha256"},
    "erased": {},
}
FIRST, LAST, NEXT = date(2026, 11, 20), date(2026, 11, 22), date(2026, 11, 23)
ZOE = "zoe@example.com"  # who was erased from the folder erased
OLDEST, *_, NEWEST = VERSIONS
SNAPSHOTS = ("snapshots", "hashed", "erased")
LANDED = ("created", *SNAPSHOTS)
EVERY = ("changes", *LANDED)
READER = "reader8@example.com"  # who is in every list
#: Today's version could not have written it.
FUTURE = {"receipt_version": 2, "provider_version": "9.8.7", "shards": {"count": [1, 2]}}
PLACE = b"file:///lake"  # of the folders, as their receipts have it


def having(*folders: str, versions: Iterable[str] = VERSIONS) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each folder, of each version that wrote it."""
    pairs = [
        (version, folder)
        for version in versions
        for folder in VERSIONS[version]
        if folder in folders
    ]
    return pytest.mark.parametrize(("version", "folder"), pairs, ids=map("-".join, pairs))


def with_folder(folder: str, versions: Iterable[str] = VERSIONS) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each version that wrote a folder."""
    written = [version for version in versions if folder in VERSIONS[version]]
    return pytest.mark.parametrize("version", written)


def content(version: str) -> dict[str, bytes]:
    """Read the files of an archive, by their names."""
    with tarfile.open(ARCHIVES / f"{version}.tar.xz") as packed:
        return {member.name: packed.extractfile(member).read() for member in packed}


def unpack(version: str, folder: Path) -> None:
    """Write the destinations of a version into a folder, as if they had been landed there."""
    for name, data in content(version).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(moved(data, name, folder.as_uri()))


def moved(data: bytes, name: str, uri: str) -> bytes:
    """Return a file as it would be had its destination been landed below another URI."""
    is_receipt = PurePosixPath(name).parent.name == "_receipts"
    return data.replace(PLACE, uri.encode()) if is_receipt else data


def list_of(version: str, folder: str, day: date = LAST) -> list[dict[str, Any]]:
    """Return the list that the API answered when a folder was landed."""
    return json.loads(content(version)["lists.json"])[folder][str(day)]


def next_list(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the list of the next day: one removed, one changed, two added."""
    _, changed, *others = people
    return [
        {**changed, "email": "other@example.com"},
        *others,
        {"id": 1001, "email": "late@example.com", "createdAt": f"{NEXT} 08:00:00"},
        {"id": 1002, "email": "undated@example.com", "createdAt": None},
    ]


def at(day: date, hour: int = 12) -> time_machine.travel:
    """Return the context in which it is this hour of a day in Paris."""
    return time_machine.travel(datetime.combine(day, time(hour), PARIS))


def receipts(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the receipts as they are, by day."""
    return {
        path.stem.removeprefix("dt="): json.loads(path.read_text())
        for path in sorted(folder.glob("_receipts/dt=*.json"))
    }


def partitions(folder: Path) -> dict[str, bytes]:
    """Read the partitions, by name."""
    return {name: data for name, data in files(folder).items() if name.startswith("dt=")}


def records(folder: Path, day: date | None = None) -> list[dict[str, Any]]:
    """Read the rows of one day or, as a reader of the whole folder does, of all days."""
    if day:
        return pq.ParquetFile(folder / f"dt={day}" / "part-00000.parquet").read().to_pylist()
    return ds.dataset(folder).to_table().to_pylist()


def rewrite(folder: Path, day: date, **members: Any) -> None:
    """Replace or add members of a receipt."""
    path = folder / "_receipts" / f"dt={day}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members, indent=2) + "\n")


def assert_vouched(folder: Path) -> None:
    """Compare the partitions with the receipt of each day; by day of opt-out, with the newest."""
    found = receipts(folder)
    newest = list(found.values())[-1]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in partitions(folder).items()}
    if newest.get("partition_by") == "created":
        lines = "".join(f"{each}\n" for each in sorted(digests.values()))
        assert hashlib.sha256(lines.encode()).hexdigest() == newest["sha256"]
        assert len(records(folder)) == newest["rows"]
        return
    assert {f"dt={day}/part-00000.parquet" for day in found} == set(digests)
    for day, receipt in found.items():
        name = f"dt={day}/part-00000.parquet"
        assert digests[name] == receipt["sha256"], day
        assert len(partitions(folder)[name]) == receipt["bytes"], day
        assert len(records(folder, date.fromisoformat(day))) == receipt["rows"], day


def assert_nowhere(email: str, folder: Path) -> None:
    """No file holds an address, within Parquet or without."""
    for name, data in files(folder).items():
        if name.endswith(".parquet"):
            data = json.dumps(
                pq.ParquetFile(folder / name).read().to_pylist(), default=str
            ).encode()
        assert email.encode() not in data.lower(), name


def applied(folder: Path, rows: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Apply the changes of all days in a folder, one after the other, to rows or to nothing."""
    listed: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        listed.setdefault(row["id"], []).append(row)
    for day in receipts(folder):
        told = records(folder, date.fromisoformat(day))
        for row in told:
            listed.pop(row["id"], None)
        for row in told:
            if row["change"] != "removed":
                listed.setdefault(row["id"], []).append(row)
    return comparable(row for each in listed.values() for row in each)


def comparable(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what a snapshot and its changes have in common, in the order of ids."""
    columns = ("id", "email", "created_at", "extra_fields")
    return sorted((tuple(row[name] for name in columns) for row in rows), key=lambda row: row[0])


def land_as(folder: str, destination: Any, **arguments: Any) -> dict[str, Any]:
    """Land as the folder was landed, on the next day unless told otherwise."""
    arguments = {"snapshot_date": str(NEXT), "max_rejected": 1, **arguments}
    return land(destination, **ARGUMENTS[folder], **arguments)


def land_changes(source: Any, destination: Any, day: date = NEXT) -> dict[str, Any]:
    """Land the changes of a day; return the receipt."""
    return UnsubscribeChangesOperator(
        task_id="changes", source=str(source), destination=str(destination), snapshot_date=str(day)
    ).execute({})


def erase(folder: Path, email: str) -> int:
    """Erase somebody, as the command does; return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        typed = io.TextIOWrapper(io.BytesIO(f"{email}\n".encode()), encoding="utf-8")
        patch.setattr(sys, "stdin", typed)
        return main(["erase", str(folder)])


def page_texts(server: Any, *destinations: Path) -> list[str]:
    """Return the texts on the page "Mail Partner" of Airflow's web server.

    :param server: a client of it
    """
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as Airflow's own server sets
        variable = json.dumps(list(map(str, destinations)))
        environment.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", variable)
        viewer = SimpleAuthManagerUser(username="zoe", role="VIEWER")
        token = get_auth_manager().generate_jwt(viewer)
        answer = server.get("/mailpartner/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    texts = re.split(r"<[^>]*>", answer.text.partition("</style>")[2])
    return [text.strip() for text in texts if text.strip()]
