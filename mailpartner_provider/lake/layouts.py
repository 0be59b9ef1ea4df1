"""The two layouts of a destination, and the steps that write a new list to each.

``snapshot``: each partition holds the whole list as it was on one day. The receipt of the day is
its manifest.

``created``: each partition holds the people who opted out on one day. Together, the partitions are
the current list. There are thousands of them, so their manifest is an index with the digest of each
partition. Before a landing replaces partitions, it removes them from the index; afterwards, it adds
them again. If it is killed in between, the next landing finds them missing and rewrites them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake.commit import Commit, Declared
from mailpartner_provider.lake.names import PARTITION_PREFIX, is_partition_file, partition_file
from mailpartner_provider.lake.receipts import Receipt, SnapshotReceipt
from mailpartner_provider.lake.scratch import digest
from mailpartner_provider.lake.storage import FileInfo, Readable

SNAPSHOT, CREATED = LAYOUTS = ("snapshot", "created")
INDEX = "_partitions.json"

Index = dict[str, Declared]

log = logging.getLogger(__name__)


class Partition(NamedTuple):
    """A function that writes the file of a partition, and the digest of its rows."""

    write: Callable[[], Path]
    rows_sha256: str


class Landed(NamedTuple):
    """What a receipt declares of the published files.

    The counts of partitions are None in the layout ``snapshot``, which has one per day.
    """

    uri: str
    bytes: int
    sha256: str
    changed: bool
    partitions_written: int | None = None
    partitions_kept: int | None = None
    partitions_removed: int | None = None


class Snapshot:
    """The partition of one day in the layout ``snapshot``."""

    def __init__(self, commit: Commit, day: date) -> None:
        self.name = partition_file(day)
        self.exists = commit.info(self.name) is not None
        self._commit = commit

    def matches(self, receipt: Receipt) -> bool:
        """Return whether the partition is the file that a receipt declares."""
        return self.exists and self._commit.matches(self.name, receipt.declaration)

    def copy(self) -> Path | None:
        """Copy the partition to scratch space; return None if it has just been removed."""
        return self._commit.copy(self.name)

    def replace(self, files: Mapping[str, Path], declared: Receipt | None) -> Landed:
        """Plan to replace the partition with the finished file of the day.

        :param declared: the day's receipt if the partition matches it, else None
        """
        file = files[self.name]
        sha256 = digest(file)
        changed = declared is None or declared.sha256 != sha256 or declared.next_sha256 is not None
        if changed:
            self._commit.replace(self.name, file)
        return Landed(self._commit.uri(self.name), file.stat().st_size, sha256, changed)


class CreatedList:
    """All partitions of the layout ``created``, and their index."""

    name = INDEX

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._index = read_index(commit)  # first: each commit writes it before and after its files
        self._files = list_partitions(commit)
        self.exists = bool(self._files)

    def matches(self, receipt: Receipt) -> bool:
        """Return whether the index declares the list that a receipt declares."""
        return receipt.sha256 in digests_of_list(self._index or {})

    def is_whole(self, receipt: Receipt) -> bool:
        """Return whether the partitions are the list that a receipt declares, and no others."""
        index = self._index or {}
        return (
            self.matches(receipt)
            and self._files.keys() == index.keys()
            and all(self._is_complete(name, declared) for name, declared in index.items())
        )

    def replace(
        self, partitions: Mapping[str, Partition], declared: SnapshotReceipt | None
    ) -> Landed:
        """Plan to write the partitions that changed, and to remove those without rows.

        :param partitions: all partitions of the new list
        :param declared: the newest receipt, or None
        :raises WrongArgument: there are partitions, but neither an index nor a receipt
        """
        commit, index = self._commit, self._index or {}
        if self._files and self._index is None and declared is None and not self._has_begun():
            raise WrongArgument(
                f"destination: {commit.uri('')} already holds {min(self._files)}, and neither a "
                f"receipt nor {INDEX} says that it is of partition_by={CREATED!r}: choose another "
                "folder"
            )
        kept, new, files = Index(), Index(), dict[str, Path]()
        for name, (write, rows_sha256) in partitions.items():
            existing = index.get(name)
            if existing is None or not self._is_complete(name, existing):
                existing = None
            if existing is None or existing.rows_sha256 != rows_sha256:
                file = write()
                sha256 = digest(file)
                if existing is None or existing.sha256 != sha256:
                    files[name] = file
                    new[name] = Declared(sha256, rows_sha256=rows_sha256)
                    continue
            version = commit.version(name)
            kept[name] = Declared(existing.sha256, version, rows_sha256=rows_sha256)
        to_remove = sorted(self._files.keys() - partitions.keys())
        if files or to_remove or kept != self._index:
            write_index(commit, lambda: kept)
            for name in sorted(files):
                commit.replace(name, files[name])
            commit.remove(to_remove)
            write_index(
                commit,
                lambda: (
                    kept
                    | {
                        name: each._replace(version=commit.version(name))
                        for name, each in new.items()
                    }
                ),
            )
        commit.confirm(INDEX)
        sha256 = digest_of_all(each.sha256 for each in (kept | new).values())
        return Landed(
            uri=commit.uri("").rstrip("/"),
            bytes=sum(self._files[name].size for name in kept)
            + sum(file.stat().st_size for file in files.values()),
            sha256=sha256,
            changed=bool(files or to_remove) or declared is None or declared.sha256 != sha256,
            partitions_written=len(files),
            partitions_kept=len(kept),
            partitions_removed=len(to_remove),
        )

    def _has_begun(self) -> bool:
        """Return whether another task has just begun the first landing; then this one will fail."""
        return self._commit.destination.info(INDEX) is not None

    def _is_complete(self, name: str, declared: Declared) -> bool:
        """Return whether a partition matches the index, and no interrupted erasure is left."""
        is_settled = name in self._files and declared.next_sha256 is None
        return is_settled and self._commit.matches(name, declared)


def list_partitions(commit: Commit) -> dict[str, FileInfo]:
    """List the partitions of a destination."""
    files = commit.list_files(PARTITION_PREFIX)
    return {name: info for name, info in files.items() if is_partition_file(name)}


def read_index(destination: Readable) -> Index | None:
    """Read the index; return an empty one if it is damaged, None if there is none."""
    content = destination.read(INDEX)
    if content is None:
        return None
    try:
        return {
            name: Declared(each)
            if isinstance(each, str)
            else Declared(
                each["sha256"], each["version"], each.get("next_sha256"), each.get("rows_sha256")
            )
            for name, each in json.loads(content.data).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        log.warning("Ignoring unreadable index %s: writing all partitions", destination.uri(INDEX))
        return {}


def write_index(commit: Commit, index: Callable[[], Index]) -> None:
    """Plan to write the index.

    :param index: called when earlier steps are done, because it may need their ``version``
    """

    def text() -> str:
        members = sorted(index().items())
        lines = (f"{json.dumps(name)}: {_as_json(declared)}" for name, declared in members)
        return "{\n" + ",\n".join(lines) + "\n}\n"

    commit.write(INDEX, text)


def digests_of_list(index: Index) -> set[str]:
    """Return the digests of the list that an index declares; two while an erasure replaces files.

    An empty index has no digest: even an empty list has one partition.
    """
    if not index:
        return set()
    nexts = (each.next_sha256 or each.sha256 for each in index.values())
    return {digest_of_all(each.sha256 for each in index.values()), digest_of_all(nexts)}


def digest_of_all(digests: Iterable[str]) -> str:
    """Return the SHA-256 of the partitions' sorted hex digests, each followed by a line break."""
    lines = "".join(f"{each}\n" for each in sorted(digests))
    return hashlib.sha256(lines.encode("ascii", "replace")).hexdigest()


def _as_json(declared: Declared) -> str:
    known = {name: each for name, each in declared._asdict().items() if each is not None}
    return json.dumps(declared.sha256 if len(known) == 1 else {"version": None} | known)
