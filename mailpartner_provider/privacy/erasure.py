"""Erasure of people from a destination: hashes replace their addresses in every file.

In the terms of the GDPR this is pseudonymisation (4(5)), kept to honour an objection (21(3)): the
hash is needed to recognise the person, and not to mail them again.

The list of erased people is published first, so that no landing brings an address back. Each file
is then replaced whole, and running it again finishes what was killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.days import iso_utc
from mailpartner_provider.errors import BadData, WrongArgument
from mailpartner_provider.lake import layouts
from mailpartner_provider.lake.history import days_with_receipts
from mailpartner_provider.lake.names import (
    ERASED,
    PARTITION_PREFIX,
    REJECTED,
    day_in_name,
    is_partition_file,
    receipt_file,
    rejected_file,
)
from mailpartner_provider.lake.parquet import ROW_GROUP_ROWS, in_row_groups, write_rows
from mailpartner_provider.lake.scratch import digest, naming_path
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList, read_erasure_list
from mailpartner_provider.privacy.hashing import HMAC, EmailMode, row_hashes, sha256_hashes


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
    :raises OSError: the destination cannot be read or written
    """
    hashes = sha256_hashes(emails)
    if hmac_key:
        hashes += EmailMode(HMAC, hmac_key).hashes(emails)
    with destination.scratch() as scratch, destination.locked():
        known = read_erasure_list(destination)
        erased = ErasureList(dict.fromkeys(hashes, iso_utc(erased_at)) | known.hashes)
        erasure = _Erasure(destination, scratch, known, bool(hmac_key))
        replaced: list[ReplacedFile] = []
        if known.hashes and erased != known:
            # After a kill between a receipt and its file, only the same people make that file.
            replaced = _redact(erasure)
        erasure = erasure._replace(erased=erased)
        if erased != known:
            _publish_text(erasure, erased.to_lines(), ERASED)
        return [*replaced, *_redact(erasure)]


def _redact(erasure: _Erasure) -> list[ReplacedFile]:
    index = layouts.read_index(erasure.destination)
    partitions = _redact_snapshots(erasure) if index is None else _redact_created(erasure, index)
    return [*partitions, *_redact_quarantine(erasure)]


def _redact_snapshots(erasure: _Erasure) -> Iterator[ReplacedFile]:
    """Replace the files of days; the receipt first, or a kill would leave it outdated."""
    for name, file, replaced in _redacted_partitions(erasure):
        day = day_in_name(name)
        if day:
            after = {"sha256": replaced.sha256_after, "bytes": file.stat().st_size}
            _update_receipt(erasure, receipt_file(day), replaced.sha256_before, after)
        erasure.destination.publish(file, name)
        yield replaced


def _redact_created(erasure: _Erasure, index: dict[str, str]) -> list[ReplacedFile]:
    """Replace the files of days of opt-out; until they are, the index does not name them."""
    files: dict[str, Path] = {}
    replaced = []
    for name, file, each in _redacted_partitions(erasure):
        files[name] = file.rename(erasure.scratch / f"{len(files)}.parquet")
        replaced.append(each)
    digests = _published_digests(erasure.destination, index)
    digests |= {name: digest(file) for name, file in files.items()}
    if digests == index:
        return []
    sizes = erasure.destination.sizes(PARTITION_PREFIX)
    sizes |= {name: file.stat().st_size for name, file in files.items()}
    after = {
        "sha256": layouts.digest_of_all(digests.values()),
        "bytes": sum(sizes.get(name, 0) for name in digests),
    }
    before = layouts.digest_of_all(index.values())
    # Landings that found the same list declare the same digest.
    for day in days_with_receipts(erasure.destination):
        if not _update_receipt(erasure, receipt_file(day), before, after):
            break
    _publish_index(erasure, {name: index[name] for name in index.keys() - files.keys()})
    for name, file in files.items():
        erasure.destination.publish(file, name)
    _publish_index(erasure, digests)
    return replaced


def _published_digests(destination: Destination, index: dict[str, str]) -> dict[str, str]:
    """Return the digests of all partitions, also of those that a kill left out of the index."""
    names = filter(is_partition_file, destination.sizes(PARTITION_PREFIX))
    digests = {name: index.get(name) or destination.digest(name) for name in names}
    return {name: sha256 for name, sha256 in digests.items() if sha256}


def _redacted_partitions(erasure: _Erasure) -> Iterator[tuple[str, Path, ReplacedFile]]:
    """Write a new file in scratch space for each partition that names an erased person."""
    before, after = erasure.scratch / "before.parquet", erasure.scratch / "after.parquet"
    for name in sorted(filter(is_partition_file, erasure.destination.sizes(PARTITION_PREFIX))):
        uri = erasure.destination.uri(name)
        if not erasure.destination.fetch(name, before):
            continue  # it has just been removed
        records = _redact_file(erasure, before, after, uri)
        if records:
            yield name, after, ReplacedFile(uri, records, digest(before), digest(after))


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


def _redact_quarantine(erasure: _Erasure) -> Iterator[ReplacedFile]:
    """Replace the files of quarantined records that name an erased person."""
    for name in sorted(erasure.destination.sizes(REJECTED)):
        day = day_in_name(name)
        before = erasure.destination.read(name) if day and name == rejected_file(day) else None
        if before is None:
            continue
        try:
            lines = [json.loads(line) for line in before.splitlines()]
            redacted = [
                {**line, "record": erasure.erased.redact_record(line["record"])} for line in lines
            ]
            text = "".join(json.dumps(line) + "\n" for line in redacted)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _unreadable(erasure.destination.uri(name)) from None
        if records := sum(line != new for line, new in zip(lines, redacted, strict=True)):
            after = _publish_text(erasure, text, name)
            sha256 = hashlib.sha256(before).hexdigest()
            yield ReplacedFile(erasure.destination.uri(name), records, sha256, after)


def _update_receipt(erasure: _Erasure, name: str, sha256: str, members: dict[str, Any]) -> bool:
    """Update a receipt that declares this digest; return whether it now declares the new one."""
    try:
        receipt = json.loads(erasure.destination.read(name) or b"")
        declares = receipt["sha256"] in (sha256, members["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # not the receipt of a landing
    if declares:
        _publish_text(erasure, json.dumps(receipt | members, indent=2) + "\n", name)
    return bool(declares)


def _publish_index(erasure: _Erasure, index: dict[str, str]) -> None:
    file = layouts.write_index(erasure.scratch / "index.json", index)
    erasure.destination.publish(file, layouts.INDEX)


def _publish_text(erasure: _Erasure, text: str, name: str) -> str:
    """Publish a text file; return its digest."""
    file = erasure.scratch / "text"
    with naming_path("write scratch files in", erasure.scratch):
        file.write_text(text, encoding="ascii")
    sha256 = digest(file)
    erasure.destination.publish(file, name)
    return sha256


def _unreadable(uri: str) -> BadData:
    return BadData(
        f"{uri} cannot be read, and may hold an address: land the day again or delete the file, "
        "then erase again"
    )
