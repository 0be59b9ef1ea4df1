"""The replacement of files by copies without erased people, with their receipts and index."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from mailpartner_provider.lake.commit import Commit, Declared
from mailpartner_provider.lake.history import days_with_receipts
from mailpartner_provider.lake.layouts import (
    INDEX,
    digest_of_all,
    index_text,
    list_partitions,
    read_index,
    write_index,
)
from mailpartner_provider.lake.names import day_in_name, receipt_file, rejected_file
from mailpartner_provider.lake.scratch import digest
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList
from mailpartner_provider.privacy.redaction import redact_partition, redact_quarantine


class ReplacedFile(NamedTuple):
    """A file that was replaced, the number of records changed in it, and its digests."""

    uri: str
    records: int
    sha256_before: str
    sha256_after: str


class Erasure(NamedTuple):
    """Where to redact whom, and the hashes that were found in each file."""

    destination: Destination
    scratch: Path
    erased: ErasureList
    found: dict[str, set[str]]
    keys: int
    dry_run: bool
    keyed_ids: set[int] | None = None

    def commit(self) -> Commit:
        """Begin a commit."""
        return Commit(self.destination, self.scratch)

    def publish(self, commit: Commit) -> None:
        """Carry out a commit, unless this is a dry run."""
        if not self.dry_run:
            commit.publish(lambda: None)  # only a signal stops the command


def replace_snapshot(erasure: Erasure, name: str) -> ReplacedFile | None:
    """Replace the file of a day, if it names an erased person, and update its receipt.

    The receipt comes first, so that after a kill the next erasure can complete the file.
    """
    commit, day = erasure.commit(), day_in_name(name)
    file = erasure.scratch / "after.parquet"
    replaced = _redact_partition(erasure, commit, name, file)
    if replaced is None:
        return None
    after = {"sha256": replaced.sha256_after, "bytes": file.stat().st_size, "etag": None}
    is_declared = day and _update_receipt(commit, receipt_file(day), replaced.sha256_before, after)
    commit.replace(name, file)
    if day and is_declared and erasure.destination.has_etags:
        final = after | {"etag": lambda: commit.version(name)}
        _update_receipt(commit, receipt_file(day), replaced.sha256_before, final)
    erasure.publish(commit)
    return replaced


def replace_created(erasure: Erasure) -> list[ReplacedFile]:
    """Replace the files of days of opt-out; until they are, the index does not declare them."""
    commit = erasure.commit()
    index, files, replaced = read_index(commit) or {}, {}, []
    partitions = list_partitions(commit)
    for number, name in enumerate(sorted(partitions)):
        file = erasure.scratch / f"{number}.parquet"
        if each := _redact_partition(erasure, commit, name, file):
            files[name] = file
            replaced.append(each)
    after = {name: each.sha256_after for name, each in zip(files, replaced, strict=True)}
    kept = {
        name: index.get(name) or Declared(_digest(commit, name, erasure.scratch), None)
        for name in partitions.keys() - files.keys()
    }
    digests = {name: declared.sha256 for name, declared in kept.items()} | after
    if not files and kept == index:
        return []
    sizes = {name: info.size for name, info in partitions.items()}
    sizes |= {name: file.stat().st_size for name, file in files.items()}
    members = {"sha256": digest_of_all(digests), "bytes": sum(sizes.values())}
    # Landings that found the same list declare the same digest.
    for day in days_with_receipts(commit):
        if not _update_receipt(commit, receipt_file(day), digest_of_all(index), members):
            break
    write_index(commit, kept)
    for name, file in files.items():
        commit.replace(name, file)
    commit.write(
        INDEX,
        lambda: index_text(
            kept | {name: Declared(after[name], commit.version(name)) for name in files}
        ),
    )
    erasure.publish(commit)
    return replaced


def replace_quarantine(erasure: Erasure, name: str) -> ReplacedFile | None:
    """Replace a file of quarantined records, if it names an erased person."""
    commit, day = erasure.commit(), day_in_name(name)
    before = commit.read(name) if day and name == rejected_file(day) else None
    if before is None:
        return None
    uri = commit.uri(name)
    text, (records, found) = redact_quarantine(before.data, uri, erasure.erased)
    erasure.found[uri] = found
    if not records:
        return None
    commit.write(name, lambda: text)
    erasure.publish(commit)
    digests = (hashlib.sha256(data).hexdigest() for data in (before.data, text.encode("ascii")))
    return ReplacedFile(uri, records, *digests)


def _redact_partition(
    erasure: Erasure, commit: Commit, name: str, after: Path
) -> ReplacedFile | None:
    """Write a redacted copy of a partition; None if it names no erased person."""
    before, uri = erasure.scratch / "before.parquet", commit.uri(name)
    if not commit.fetch(name, before):
        return None  # it has just been removed
    records, found = redact_partition(before, after, uri, erasure.erased, erasure.keyed_ids)
    erasure.found[uri] = found
    if not records:
        after.unlink()
        return None
    return ReplacedFile(uri, records, digest(before), digest(after))


def _update_receipt(commit: Commit, name: str, sha256: str, members: dict[str, Any]) -> bool:
    """Plan to update a receipt that declares this digest; return whether it does.

    A member may be a function, called when the receipt is written.
    """
    content = commit.read(name)
    try:
        receipt = json.loads(content.data if content else b"")
        declares = receipt["sha256"] in (sha256, members["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # not the receipt of a landing

    def text() -> str:
        settled = {key: each() if callable(each) else each for key, each in members.items()}
        known = {key: each for key, each in settled.items() if key in receipt or each is not None}
        return json.dumps(receipt | known, indent=2) + "\n"

    if declares:
        commit.write(name, text)
    return bool(declares)


def _digest(commit: Commit, name: str, scratch: Path) -> str:
    copy = scratch / "copy"
    return digest(copy) if commit.fetch(name, copy) else ""
