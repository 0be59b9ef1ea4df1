"""Erasure of people from a destination: hashes replace their addresses in every file.

In the terms of the GDPR this is pseudonymisation (4(5)), kept to honour an objection (21(3)): the
hash is needed to recognise the person, and not to mail them again.

The list of erased people is published first, so that no landing brings an address back. Each file
is then replaced whole, and running it again finishes what was killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.days import iso_utc
from mailpartner_provider.errors import BadData, Conflict, WrongArgument
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
from mailpartner_provider.lake.names import (
    ERASED,
    REJECTED,
    day_in_name,
    receipt_file,
    rejected_file,
)
from mailpartner_provider.lake.parquet import ROW_GROUP_ROWS, in_row_groups, write_rows
from mailpartner_provider.lake.scratch import digest, naming_path
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList, read_erasure_list
from mailpartner_provider.privacy.hashing import HMAC, EmailMode, row_hashes, sha256_hashes

_TRIES = 5
_T = TypeVar("_T")


class ReplacedFile(NamedTuple):
    """A file that was replaced, the number of records changed in it, and its digests."""

    uri: str
    records: int
    sha256_before: str
    sha256_after: str


class _Erasure(NamedTuple):
    """Where to redact whom."""

    destination: Destination
    scratch: Path
    erased: ErasureList
    has_hmac_key: bool

    def commit(self) -> Commit:
        return Commit(self.destination, self.scratch)


def erase(
    destination: Destination, emails: Sequence[str], hmac_key: bytes | None, erased_at: datetime
) -> list[ReplacedFile]:
    """Erase people from every partition and quarantine of a destination.

    Their rows stay, so that ids and counts still agree: ``email`` becomes ``sha256:`` and the
    SHA-256 of the address, and ``extra_fields`` that are theirs, or name them, become null. Of a
    quarantined record that names them only the hash stays. Receipts are updated.

    :param emails: the people's addresses
    :param hmac_key: the key of ``email_mode="hmac"``, where a partition was landed so
    :return: the files that were replaced; none when everybody found had been erased before
    :raises WrongArgument: a partition was landed with ``email_mode="hmac"``, and there is no key
    :raises BadData: a file cannot be read, and may hold an address
    :raises Conflict: other tasks have kept changing the destination: erase again
    :raises OSError: the destination cannot be read or written
    """
    hashes = sha256_hashes(emails)
    if hmac_key:
        hashes += EmailMode(HMAC, hmac_key).hashes(emails)
    now = dict.fromkeys(hashes, iso_utc(erased_at))
    with destination.scratch() as scratch:
        known = read_erasure_list(destination)
        erasure = _Erasure(destination, scratch, known, bool(hmac_key))
        replaced: list[ReplacedFile] = []
        if known.hashes and not now.keys() <= known.hashes.keys():
            # After a kill between a receipt and its file, only the same people make that file.
            replaced = _redact(erasure)
        erasure = erasure._replace(erased=_repeat(lambda: _publish_list(erasure, now)))
        return [*replaced, *_redact(erasure)]


def _publish_list(erasure: _Erasure, now: dict[str, str]) -> ErasureList:
    """Add people to the list of erased people; return the list."""
    commit = erasure.commit()
    known = read_erasure_list(commit)
    erased = ErasureList(now | known.hashes)
    if erased != known:
        commit.write(ERASED, erased.to_lines)
        commit.publish(_do_nothing)
    return erased


def _redact(erasure: _Erasure) -> list[ReplacedFile]:
    names = list_partitions(erasure.commit())
    if read_index(erasure.commit()) is None:
        snapshots = (_repeat(partial(_redact_snapshot, erasure, name)) for name in sorted(names))
        partitions = [each for each in snapshots if each]
    else:
        partitions = _repeat(partial(_redact_created, erasure))
    quarantines = sorted(erasure.destination.list_files(REJECTED))
    rejected = (_repeat(partial(_redact_quarantine, erasure, name)) for name in quarantines)
    return [*partitions, *(each for each in rejected if each)]


def _redact_snapshot(erasure: _Erasure, name: str) -> ReplacedFile | None:
    """Replace the file of a day, if it names an erased person, and update its receipt.

    The receipt comes first: after a kill in between, only it tells that the new file is ours.
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
    commit.publish(_do_nothing)
    return replaced


def _redact_created(erasure: _Erasure) -> list[ReplacedFile]:
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
    commit.publish(_do_nothing)
    return replaced


def _redact_partition(
    erasure: _Erasure, commit: Commit, name: str, after: Path
) -> ReplacedFile | None:
    """Write a redacted copy of a partition; None if it names no erased person."""
    before, uri = erasure.scratch / "before.parquet", commit.uri(name)
    if not commit.fetch(name, before):
        return None  # it has just been removed
    records = _redact_file(erasure, before, after, uri)
    if not records:
        after.unlink()
        return None
    return ReplacedFile(uri, records, digest(before), digest(after))


def _redact_file(erasure: _Erasure, before: Path, after: Path, uri: str) -> int:
    """Write a redacted copy of a partition; return the number of rows that changed."""
    try:
        parquet = pq.ParquetFile(before)
    except (OSError, ValueError):
        raise _unreadable(uri) from None
    schema, counts = parquet.schema_arrow, []
    if EmailMode(HMAC).column in schema.names and not erasure.has_hmac_key:
        raise WrongArgument(
            f"{uri} was landed with email_mode='hmac': name the connection with the key that "
            "hashed it by --mailpartner-conn-id"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in parquet.iter_batches(ROW_GROUP_ROWS):
                rows, count = erasure.erased.redact(batch, row_hashes(batch))
                counts.append(count)
                yield rows
        except (OSError, ValueError, KeyError, RecursionError):
            raise _unreadable(uri) from None

    with naming_path("write scratch files in", erasure.scratch):
        written = write_rows(after, in_row_groups(batches(), schema), schema)
        if written != parquet.metadata.num_rows:
            raise OSError("rows were written, and the file does not hold them")
    return sum(counts)


def _redact_quarantine(erasure: _Erasure, name: str) -> ReplacedFile | None:
    """Replace a file of quarantined records, if it names an erased person."""
    commit, day = erasure.commit(), day_in_name(name)
    before = commit.read(name) if day and name == rejected_file(day) else None
    if before is None:
        return None
    try:
        lines = [json.loads(line) for line in before.data.splitlines()]
        redacted = [
            {**line, "record": erasure.erased.redact_record(line["record"])} for line in lines
        ]
        text = "".join(json.dumps(line) + "\n" for line in redacted)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unreadable(commit.uri(name)) from None
    records = sum(line != new for line, new in zip(lines, redacted, strict=True))
    if not records:
        return None
    commit.write(name, lambda: text)
    commit.publish(_do_nothing)
    digests = (hashlib.sha256(data).hexdigest() for data in (before.data, text.encode("ascii")))
    return ReplacedFile(commit.uri(name), records, *digests)


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


def _repeat(act: Callable[[], _T]) -> _T:
    """Repeat what another task's landing thwarts, a few times."""
    for _ in range(_TRIES - 1):
        with suppress(Conflict):
            return act()
    return act()


def _do_nothing() -> None:
    """Accept that nobody stops the command but by a signal."""


def _unreadable(uri: str) -> BadData:
    return BadData(
        f"{uri} cannot be read, and may hold an address: land the day again or delete the file, "
        "then erase again"
    )
