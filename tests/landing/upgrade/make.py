"""Keep destinations as the code of a commit writes them, in an archive beside this script.

``python tests/landing/upgrade/make.py COMMIT...`` checks each commit out into a temporary folder,
and lands three days with its code and this interpreter's dependencies. Run it for every release,
and add the commit to ``VERSIONS`` in ``tests/support/upgrade.py``. An archive is never made again:
it holds what users have.

The folders are ``snapshots``, the ``changes`` between them, ``created`` (landed with
``partition_by="created"``), ``hashed`` (with ``email_mode="sha256"``), and ``erased``, where
somebody was erased on the second day; a commit that cannot write one leaves it out. ``lists.json``
is what the API answered. Receipts name ``/lake`` as the place of the folders.
"""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

HERE = Path(__file__).parent
PLACE = "/lake"
DAYS = ["2026-11-20", "2026-11-21", "2026-11-22"]
ERASED = "zoe@example.com"

Lists = dict[str, list[dict[str, Any]]]


def main(commits: list[str]) -> None:
    """Make an archive for each commit."""
    for commit in commits:
        name = _git("rev-parse", "--short=7", commit)
        with tempfile.TemporaryDirectory() as temporary:
            checkout, root = Path(temporary, "checkout"), Path(temporary, "lake")
            root.mkdir()
            _git("worktree", "add", "--quiet", "--detach", str(checkout), commit)
            try:
                _land_with(checkout, root)
            finally:
                _git("worktree", "remove", "--force", str(checkout))
            _archive(root, HERE / f"{name}.tar.xz")
        print(name, (HERE / f"{name}.tar.xz").stat().st_size, "bytes")


def _land_with(checkout: Path, root: Path) -> None:
    """Land with the code of a checkout, in a process and an Airflow home of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(root.with_name("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = [sys.executable, __file__, "--land", str(checkout), str(root)]
    subprocess.run(command, env=environment, cwd=root, check=True)


def _archive(root: Path, archive: Path) -> None:
    """Pack a folder, so that the same files make the same archive."""
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            content = path.read_bytes()
            if path.suffix == ".json":
                content = content.replace(str(root).encode(), PLACE.encode())
            member = tarfile.TarInfo(str(path.relative_to(root)))
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(HERE), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def land_all(checkout: str, root: str) -> None:
    """Land everything that this process's version of the package can land."""
    import mailpartner_provider
    from mailpartner_provider.testing.server import StandIn

    assert Path(mailpartner_provider.__file__).is_relative_to(checkout)
    long, short = lists(), {day: people[:10] for day, people in lists().items()}
    kinds = [
        ("snapshots", long, _snapshots),
        ("changes", long, _changes),
        ("created", long, _created),
        ("hashed", short, _hashed),
        ("erased", short, _erased),
    ]
    kept = {}
    with StandIn() as api:
        connection = {"conn_type": "mailpartner", "host": api.url, "password": api.key}
        os.environ["AIRFLOW_CONN_MAILPARTNER_DEFAULT"] = json.dumps(connection)
        for folder, answers, land in kinds:
            if _can(folder):
                kept[folder] = answers
                for day in DAYS:
                    api.unsubscribes = answers[day]
                    _at_noon(day, land, Path(root), day)
    Path(root, "lists.json").write_text(json.dumps(kept))


def lists() -> Lists:
    """Return the list of each day: ordinary people, odd records, and some who come and go."""
    first = [
        {"id": number, "email": f"reader{number}@example.com", "createdAt": _opted_out(number)}
        for number in range(1, 97)
    ]
    first[1]["createdAt"] = None
    first[3] = {"id": 4, "email": ERASED, "createdAt": "2026-11-12 09:04:00", "name": "Zoe"}
    first[5]["note"] = f"a friend of {ERASED}"
    first[8]["email"] = "Björn@Example.com"
    odd = [
        {
            "id": "9007199254740993",
            "email": "carla@example.com",
            "createdAt": "2025-10-26 02:30:00",
        },
        {"id": 97, "email": "dora@example.com", "createdAt": "0000-00-00 00:00:00"},
    ]
    second = [*first[:2], *first[3:], {"id": None, "email": "nobody@example.com"}, *odd]
    second[8] = {**second[8], "email": "björn@example.org"}
    third = [
        *(each for each in second if each["id"] not in (None, 7)),
        *({"id": n, "email": f"reader{n}@example.com", "createdAt": f"{DAYS[2]} 08:00:00"}
          for n in (98, 99, 100, 101)),
    ]  # fmt: skip
    assert len(third) == 100
    return dict(zip(DAYS, ([*first, *odd], second, third), strict=True))


def _opted_out(number: int) -> str:
    return f"2026-11-{12 + number % 3} 09:{number % 60:02}:00"


def _at_noon(day: str, act: Callable[..., object], *arguments: Any) -> None:
    import time_machine

    noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo("Europe/Paris"))
    with time_machine.travel(noon):
        act(*arguments)


def _can(folder: str) -> bool:
    """Return whether this version of the package can write a folder."""
    from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

    accepted = signature(UnsubscribeToParquetOperator.__init__).parameters
    package = "mailpartner_provider"
    needed: dict[str, object] = {
        "snapshots": True,
        "changes": find_spec(f"{package}.operators.unsubscribe_changes"),
        "created": "partition_by" in accepted,
        "hashed": "email_mode" in accepted,
        "erased": find_spec(f"{package}.__main__"),
    }
    return bool(needed[folder])


def _land(destination: Path, day: str, **arguments: Any) -> None:
    from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator

    UnsubscribeToParquetOperator(
        task_id="land",
        destination=str(destination),
        snapshot_date=day,
        max_rejected=1,
        **arguments,
    ).execute({})


def _snapshots(root: Path, day: str) -> None:
    _land(root / "snapshots", day)


def _changes(root: Path, day: str) -> None:
    from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator

    UnsubscribeChangesOperator(
        task_id="changes",
        source=str(root / "snapshots"),
        destination=str(root / "changes"),
        snapshot_date=day,
    ).execute({})


def _created(root: Path, day: str) -> None:
    _land(root / "created", day, partition_by="created")


def _hashed(root: Path, day: str) -> None:
    _land(root / "hashed", day, email_mode="sha256")


def _erased(root: Path, day: str) -> None:
    _land(root / "erased", day)
    if day == DAYS[1]:
        argv, stdin = sys.argv, sys.stdin
        sys.argv = ["mailpartner_provider", "erase", str(root / "erased")]
        sys.stdin = io.TextIOWrapper(io.BytesIO(ERASED.encode()), encoding="utf-8")
        try:
            runpy.run_module("mailpartner_provider", run_name="__main__")
        except SystemExit as done:
            assert done.code == 0
        finally:
            sys.argv, sys.stdin = argv, stdin


if __name__ == "__main__":
    if sys.argv[1:2] == ["--land"]:
        land_all(*sys.argv[2:])
    else:
        main(sys.argv[1:])
