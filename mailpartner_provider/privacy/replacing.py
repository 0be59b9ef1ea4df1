"""The replacement of files with redacted copies, and the update of receipts and index."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from mailpartner_provider.lake.commit import Commit, Declared
from mailpartner_provider.lake.history import days_with_receipts
from mailpartner_provider.lake.layouts import (
    Index,
    digest_of_all,
    digests_of_list,
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
    """The parameters of an erasure, and the hashes that were found in each file, by its URI."""

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
            commit.publish(lambda: None)  # no heartbeat: only a signal stops the command


def replace_snapshot(erasure: Erasure, name: str) -> ReplacedFile | None:
    """Replace a partition of the layout ``snapshot`` if it names an erased person.

    First the receipt is updated to declare the digests of both the old and the new file, then the
    file is replaced, then the receipt declares only the new one. So the receipt matches the file
    whenever the erasure is killed, and the next erasure can complete it.
    """
    commit, day = erasure.commit(), day_in_name(name)
    before, after = (erasure.scratch / f"{each}.parquet" for each in ("before", "after"))
    if not commit.fetch(name, before):
        return None  # it has just been removed
    replaced = _redact_partition(erasure, commit.uri(name), before, after)
    receipt = _read_receipt(commit, day, {digest(before)}) if day else None
    if not replaced and not (receipt and "next_sha256" in receipt):
        return None
    if day and receipt:
        next_sha256 = {"next_sha256": replaced.sha256_after} if replaced else {}
        _update_receipt(commit, day, receipt, _declaration(before) | next_sha256, name)
    if replaced:
        commit.replace(name, after)
        if day and receipt:
            _update_receipt(commit, day, receipt, _declaration(after), name)
    erasure.publish(commit)
    return replaced


def replace_created(erasure: Erasure) -> list[ReplacedFile]:
    """Replace the partitions of the layout ``created`` that name an erased person.

    The index declares the digests of both the old and the new files until the receipts of the list
    are updated. Partitions that it did not declare before are not added to it.
    """
    commit, before = erasure.commit(), erasure.scratch / "before.parquet"
    index, interim, final = read_index(commit) or {}, Index(), dict[str, str]()
    files, replaced, size = dict[str, Path](), list[ReplacedFile](), 0
    for number, name in enumerate(sorted(list_partitions(commit))):
        if not commit.fetch(name, before):
            continue  # it has just been removed
        after = erasure.scratch / f"{number}.parquet"
        each = _redact_partition(erasure, commit.uri(name), before, after)
        if each:
            files[name] = after
            replaced.append(each)
        size += (after if each else before).stat().st_size
        sha256, declared = digest(before), index.get(name)
        if declared is None or sha256 not in (declared.sha256, declared.next_sha256):
            continue
        if each:
            interim[name] = Declared(sha256, commit.version(name), each.sha256_after)
        if each or declared.next_sha256:
            final[name] = each.sha256_after if each else sha256
    if interim:
        write_index(commit, lambda: index | interim)
    for name, file in files.items():
        commit.replace(name, file)
    if final:
        _update_list(commit, index, final, size)
    if files or final:
        erasure.publish(commit)
    return replaced


def replace_quarantine(erasure: Erasure, name: str) -> ReplacedFile | None:
    """Replace a file of quarantined records if it names an erased person."""
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


def _redact_partition(erasure: Erasure, uri: str, before: Path, after: Path) -> ReplacedFile | None:
    """Write a redacted copy of a partition; return None if it names no erased person."""
    records, found = redact_partition(before, after, uri, erasure.erased, erasure.keyed_ids)
    erasure.found[uri] = found
    if not records:
        after.unlink()
        return None
    return ReplacedFile(uri, records, digest(before), digest(after))


def _update_list(commit: Commit, index: Index, digests: dict[str, str], size: int) -> None:
    """Plan to update the receipts of a list in the layout ``created``, then its index.

    :param digests: the new digest of each file that was replaced
    :param size: the size of all files in bytes
    """
    all_digests = {name: declared.sha256 for name, declared in index.items()} | digests
    members = {"sha256": digest_of_all(all_digests.values()), "bytes": size}
    # Several days may have landed the same list: their receipts declare the same digest.
    for day in days_with_receipts(commit):
        receipt = _read_receipt(commit, day, digests_of_list(index))
        if receipt is None:
            break
        _update_receipt(commit, day, receipt, members)
    write_index(
        commit,
        lambda: (
            index
            | {name: Declared(sha256, commit.version(name)) for name, sha256 in digests.items()}
        ),
    )


def _read_receipt(commit: Commit, day: date, digests: set[str]) -> dict[str, Any] | None:
    """Read the members of a day's receipt; return None unless it declares one of these digests."""
    content = commit.read(receipt_file(day))
    try:
        receipt: dict[str, Any] = json.loads(content.data if content else b"")
        declares = not digests.isdisjoint((receipt["sha256"], receipt.get("next_sha256")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # not the receipt of a landing
    return receipt if declares else None


def _declaration(file: Path) -> dict[str, Any]:
    """Return the members of a receipt that declare a file."""
    return {"sha256": digest(file), "bytes": file.stat().st_size}


def _update_receipt(
    commit: Commit,
    day: date,
    receipt: dict[str, Any],
    members: dict[str, Any],
    partition: str | None = None,
) -> None:
    """Plan to update members of a day's receipt; null is written only over an existing member.

    :param partition: the file whose version becomes the ``etag``
    """

    def text() -> str:
        etag = commit.version(partition) if partition else None
        updated = receipt | {"next_sha256": None, "etag": etag} | members
        had = receipt.keys() - {"next_sha256"}
        kept = {key: each for key, each in updated.items() if each is not None or key in had}
        return json.dumps(kept, indent=2) + "\n"

    commit.write(receipt_file(day), text)
