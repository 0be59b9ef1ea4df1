"""The two layouts of a destination, and the steps that bring a new list into them.

``snapshot``: a partition holds the whole list as it was on a day, and the day's receipt is its
manifest. ``created``: a partition holds the people who opted out on a day, and all partitions
together are the list as it is now. These are thousands, so an index is their manifest: it declares
every partition, except those that a commit is about to replace. If that is killed, they stay
undeclared, and the next landing writes them again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
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


class Landed(NamedTuple):
    """What will lie in the partitions, as receipts declare it.

    The counts are of partitions, and None where there is only one.
    """

    uri: str
    bytes: int
    sha256: str
    changed: bool
    partitions_written: int | None = None
    partitions_kept: int | None = None
    partitions_removed: int | None = None


class Snapshot:
    """The partition of a day."""

    def __init__(self, commit: Commit, day: date) -> None:
        self.name = partition_file(day)
        self.exists = commit.info(self.name) is not None
        self._commit = commit

    def matches(self, receipt: Receipt) -> bool:
        """Return whether the partition is the one that a receipt declares."""
        declared = Declared(receipt.sha256, receipt.etag)
        return self.exists and self._commit.matches(self.name, declared)

    def replace(self, files: Mapping[str, Path], declared: Receipt | None) -> Landed:
        """Plan to replace the partition by the finished file of the day.

        :param declared: the receipt that the partition matches, if it matches one
        """
        file = files[self.name]
        sha256 = digest(file)
        changed = declared is None or declared.sha256 != sha256
        if changed:
            self._commit.replace(self.name, file)
        return Landed(self._commit.uri(self.name), file.stat().st_size, sha256, changed)


class CreatedList:
    """All partitions by day of opt-out, and their index."""

    name = INDEX

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._index = read_index(commit)
        self._files = list_partitions(commit)
        self.exists = bool(self._files)

    def matches(self, receipt: Receipt) -> bool:
        """Return whether the index declares the list that a receipt declares."""
        return self._index is not None and receipt.sha256 == digest_of_all(self._index)

    def replace(self, files: Mapping[str, Path], declared: SnapshotReceipt | None) -> Landed:
        """Plan to write the partitions that changed, and to remove those that became empty.

        :param files: all finished partitions of the list: no others remain
        :param declared: the last receipt of the list
        :raises WrongArgument: there are partitions, and nothing says that they are of this layout
        """
        commit, index = self._commit, self._index or {}
        if self._files and self._index is None and declared is None:
            raise WrongArgument(
                f"destination: {commit.uri('')} already holds {min(self._files)}, and neither a "
                f"receipt nor {INDEX} says that it is of partition_by={CREATED!r}: choose another "
                "folder"
            )
        digests = {name: digest(file) for name, file in files.items()}
        kept = {
            name: index[name]
            for name, sha256 in digests.items()
            if name in self._files
            and name in index
            and index[name].sha256 == sha256
            and commit.matches(name, index[name])
        }
        to_write = sorted(files.keys() - kept.keys())
        to_remove = sorted(self._files.keys() - files.keys())
        names = digests.keys()
        if to_write or to_remove or kept != self._index:
            write_index(commit, kept)
            for name in to_write:
                commit.replace(name, files[name])
            for name in to_remove:
                commit.remove(name)
            commit.write(
                INDEX,
                lambda: index_text(
                    {name: Declared(digests[name], commit.version(name)) for name in names}
                ),
            )
        sha256 = digest_of_all(digests)
        return Landed(
            uri=commit.uri("").rstrip("/"),
            bytes=sum(file.stat().st_size for file in files.values()),
            sha256=sha256,
            changed=bool(to_write or to_remove) or declared is None or declared.sha256 != sha256,
            partitions_written=len(to_write),
            partitions_kept=len(kept),
            partitions_removed=len(to_remove),
        )


def list_partitions(commit: Commit) -> dict[str, FileInfo]:
    """List the partitions of a destination."""
    files = commit.list_files(PARTITION_PREFIX)
    return {name: info for name, info in files.items() if is_partition_file(name)}


def read_index(destination: Readable) -> Index | None:
    """Read the index: empty if it cannot be read, None if there is none."""
    content = destination.read(INDEX)
    if content is None:
        return None
    try:
        return {
            name: Declared(each, None)
            if isinstance(each, str)
            else Declared(each["sha256"], each["version"])
            for name, each in json.loads(content.data).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        log.warning("Ignoring unreadable index %s: writing all partitions", destination.uri(INDEX))
        return {}


def write_index(commit: Commit, index: Index) -> None:
    """Plan to write the index."""
    commit.write(INDEX, lambda: index_text(index))


def index_text(index: Index) -> str:
    """Return the text of an index."""
    members = {
        name: declared.sha256 if declared.version is None else declared._asdict()
        for name, declared in index.items()
    }
    return json.dumps(members, indent=0, sort_keys=True) + "\n"


def digest_of_all(index: Mapping[str, Declared | str]) -> str:
    """Return the SHA-256 of the partitions' sorted hex digests, each followed by a line break."""
    digests: Iterable[str] = (
        each if isinstance(each, str) else each.sha256 for each in index.values()
    )
    lines = "".join(f"{each}\n" for each in sorted(digests))
    return hashlib.sha256(lines.encode("ascii", "replace")).hexdigest()
