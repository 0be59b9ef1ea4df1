"""Erase people from a destination: their addresses go from every file, and a token stays.

The tokens come first, so that no landing brings an address back. Each file is then replaced whole,
and to run it again finishes what was killed.
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
from mailpartner_provider.lake.parquet import ROW_GROUP_ROWS, in_row_groups, open_writer
from mailpartner_provider.lake.receipts import iso_utc
from mailpartner_provider.lake.storage import Destination, digest, naming_the_place
from mailpartner_provider.privacy.erasure_list import Erased, hashes, read_erased, tokens_of
from mailpartner_provider.privacy.hashing import HMAC, EmailMode


class Struck(NamedTuple):
    """A file that was replaced: how many of its records changed, and its digests."""

    uri: str
    records: int
    sha256_before: str
    sha256_after: str


class _Site(NamedTuple):
    """Where the work is done, and who is to go."""

    destination: Destination
    scratch: Path
    erased: Erased
    hmac_known: bool


def erase(
    destination: Destination, emails: Sequence[str], hmac_key: bytes | None, erased_at: datetime
) -> list[Struck]:
    """Erase people from every partition and quarantine of a destination.

    Their rows stay, so that ids and counts still agree: ``email`` becomes ``sha256:`` and the
    SHA-256 of the address, and ``extra_fields`` that are theirs, or name them, become null. Of a
    quarantined record that names them only the token stays. Receipts follow.

    :param emails: the people's addresses
    :param hmac_key: the key of ``email_mode="hmac"``, where a partition was landed so
    :return: the files that were replaced; none when nobody was found who had not been erased
    :raises WrongArgument: a partition was landed with ``email_mode="hmac"``, and there is no key
    :raises BadData: a file cannot be read, and may hold an address
    :raises OSError: the destination cannot be read or written
    """
    tokens = hashes(emails)
    if hmac_key:
        tokens += EmailMode(HMAC, hmac_key).tokens(emails)
    now = dict.fromkeys(tokens, iso_utc(erased_at))
    with destination.scratch() as scratch, destination.alone():
        known = read_erased(destination.read(ERASED))
        erased = Erased(now | known.tokens)
        site, struck = _Site(destination, scratch, known, bool(hmac_key)), list[Struck]()
        if known.tokens and erased != known:
            # Where a kill came between a receipt and its file, only the same people make that file.
            struck = _strike(site)
        site = site._replace(erased=erased)
        if erased != known:
            _publish_text(site, erased.to_lines(), ERASED)
        return [*struck, *_strike(site)]


def _strike(site: _Site) -> list[Struck]:
    index = layouts.read_index(site.destination)
    partitions = _strike_snapshots(site) if index is None else _strike_days(site, index)
    return [*partitions, *_strike_quarantine(site)]


def _strike_snapshots(site: _Site) -> Iterator[Struck]:
    """Replace the files of days; the receipt goes ahead, or nobody would know to mend it."""
    for name, file, struck in _strike_partitions(site):
        day = day_in_name(name)
        if day:
            after = {"sha256": struck.sha256_after, "bytes": file.stat().st_size}
            _update_receipt(site, receipt_file(day), struck.sha256_before, after)
        site.destination.publish(file, name)
        yield struck


def _strike_days(site: _Site, index: dict[str, str]) -> list[Struck]:
    """Replace the files of days of opt-out; the index does without them as long as it takes."""
    files: dict[str, Path] = {}
    struck = []
    for name, file, replaced in _strike_partitions(site):
        files[name] = file.rename(site.scratch / f"{len(files)}.parquet")
        struck.append(replaced)
    settled = _digests(site.destination, index) | {
        name: digest(file) for name, file in files.items()
    }
    if settled == index:
        return []
    sizes = site.destination.sizes(PARTITION_PREFIX)
    sizes |= {name: file.stat().st_size for name, file in files.items()}
    after = {
        "sha256": layouts.digest_of_all(settled.values()),
        "bytes": sum(sizes.get(name, 0) for name in settled),
    }
    before = layouts.digest_of_all(index.values())
    # Landings that found the same list declare the same digest.
    for day in days_with_receipts(site.destination):
        if not _update_receipt(site, receipt_file(day), before, after):
            break
    _publish_index(site, {name: index[name] for name in index.keys() - files.keys()})
    for name, file in files.items():
        site.destination.publish(file, name)
    _publish_index(site, settled)
    return struck


def _digests(destination: Destination, index: dict[str, str]) -> dict[str, str]:
    """Give the digests of what stands, also of what a kill has left out of the index."""
    names = filter(is_partition_file, destination.sizes(PARTITION_PREFIX))
    digests = {name: index.get(name) or destination.digest(name) for name in names}
    return {name: sha256 for name, sha256 in digests.items() if sha256}


def _strike_partitions(site: _Site) -> Iterator[tuple[str, Path, Struck]]:
    """Finish, in scratch space, a new file for each partition in which somebody stands."""
    before, after = site.scratch / "before.parquet", site.scratch / "after.parquet"
    for name in sorted(filter(is_partition_file, site.destination.sizes(PARTITION_PREFIX))):
        uri = site.destination.uri(name)
        if not site.destination.fetch(name, before):
            continue  # it was removed meanwhile
        records = _strike_file(site, before, after, uri)
        if records:
            yield name, after, Struck(uri, records, digest(before), digest(after))


def _strike_file(site: _Site, before: Path, after: Path, uri: str) -> int:
    """Copy a partition without the people who are to go; count the rows that this changed."""
    try:
        parquet = pq.ParquetFile(before)
    except (OSError, ValueError):
        raise _unreadable(uri) from None
    schema, counts = parquet.schema_arrow, []
    if EmailMode(HMAC).column in schema.names and not site.hmac_known:
        raise WrongArgument(
            f"{uri} was landed with email_mode='hmac', where people are only found by the key that "
            "hashed them: name the connection that has it, by --mailpartner-conn-id"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in parquet.iter_batches(ROW_GROUP_ROWS):
                rows, count = site.erased.strike(batch, tokens_of(batch))
                counts.append(count)
                yield rows
        except (OSError, ValueError, KeyError, RecursionError):
            raise _unreadable(uri) from None

    with naming_the_place("write scratch files in", site.scratch):
        with open_writer(after, schema) as writer:
            for rows in in_row_groups(batches(), schema):
                writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        if pq.ParquetFile(after).metadata.num_rows != parquet.metadata.num_rows:
            raise OSError("rows were written, and the file does not hold them")
    return sum(counts)


def _strike_quarantine(site: _Site) -> Iterator[Struck]:
    """Replace the files of quarantined records that name somebody."""
    for name in sorted(site.destination.sizes(REJECTED)):
        day = day_in_name(name)
        before = site.destination.read(name) if day and name == rejected_file(day) else None
        if before is None:
            continue
        try:
            lines = [json.loads(line) for line in before.splitlines()]
            kept = [{**line, "record": site.erased.strike_record(line["record"])} for line in lines]
            text = "".join(json.dumps(line) + "\n" for line in kept)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _unreadable(site.destination.uri(name)) from None
        if records := sum(line != new for line, new in zip(lines, kept, strict=True)):
            after = _publish_text(site, text, name)
            sha256 = hashlib.sha256(before).hexdigest()
            yield Struck(site.destination.uri(name), records, sha256, after)


def _update_receipt(site: _Site, name: str, sha256: str, members: dict[str, Any]) -> bool:
    """Have a receipt that declares a digest declare something else; say whether it does so now."""
    try:
        receipt = json.loads(site.destination.read(name) or b"")
        declares = receipt["sha256"] in (sha256, members["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # not the receipt of a landing
    if declares:
        _publish_text(site, json.dumps(receipt | members, indent=2) + "\n", name)
    return bool(declares)


def _publish_index(site: _Site, index: dict[str, str]) -> None:
    file = layouts.write_index(site.scratch / "index.json", index)
    site.destination.publish(file, layouts.INDEX)


def _publish_text(site: _Site, text: str, name: str) -> str:
    """Publish a text file; give its digest."""
    file = site.scratch / "text"
    with naming_the_place("write scratch files in", site.scratch):
        file.write_text(text, encoding="ascii")
    sha256 = digest(file)
    site.destination.publish(file, name)
    return sha256


def _unreadable(uri: str) -> BadData:
    return BadData(
        f"{uri} cannot be read, and may hold an address: land the day again or remove the file, "
        "and erase again"
    )
