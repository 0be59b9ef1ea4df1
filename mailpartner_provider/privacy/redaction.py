"""Redacted copies of the files in a destination: partitions and quarantines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mailpartner_provider.errors import BadData, WrongArgument
from mailpartner_provider.lake.parquet import in_row_groups, read_batches, write_rows
from mailpartner_provider.lake.scratch import naming_path
from mailpartner_provider.privacy.email_modes import HMAC
from mailpartner_provider.privacy.erasure_list import ErasureList
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.privacy.matching import find_people

#: The column of hashes that only a key can make.
KEYED_COLUMN = EmailMode(HMAC).column


class Redaction(NamedTuple):
    """The number of records changed in a copy, and the hashes of the erased people in the file.

    These include people who had been redacted from it before, or landed as a hash.
    """

    records: int
    found: set[str]


def redact_partition(
    before: Path, after: Path, uri: str, erased: ErasureList, keyed_ids: set[int] | None
) -> Redaction:
    """Write a redacted copy of a partition.

    :param uri: the partition's name in errors
    :param keyed_ids: the ids of erased people, for the rows of ``email_mode="hmac"`` that another
        key has hashed; None without a key
    :raises WrongArgument: it was landed with ``email_mode="hmac"``, and there is no key
    :raises BadData: it cannot be read, and may hold an address
    :raises OSError: the copy cannot be written
    """
    with naming_unreadable(uri):
        parquet = pq.ParquetFile(before)
    schema = parquet.schema_arrow
    if KEYED_COLUMN in schema.names and keyed_ids is None:
        raise WrongArgument(
            f"{uri} was landed with email_mode='hmac': name the connection with the key that "
            "hashed it by --mailpartner-conn-id"
        )
    ids = pa.array(sorted(keyed_ids or ()), pa.int64()) if KEYED_COLUMN in schema.names else None
    records, found = 0, set[str]()

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal records
        with naming_unreadable(uri):
            for batch in read_batches(parquet):
                redacted = erased.redact(batch, ids=ids)
                records += redacted.changed
                found.update(redacted.found)
                yield redacted.rows

    with naming_path("write scratch files in", after.parent):
        written = write_rows(after, in_row_groups(batches(), schema), schema)
        if written != parquet.metadata.num_rows:
            raise OSError("rows were written, and the file does not hold them")
    return Redaction(records, found)


def redact_quarantine(data: bytes, uri: str, erased: ErasureList) -> tuple[str, Redaction]:
    """Return the redacted text of a file of quarantined records.

    :raises BadData: it cannot be read, and may hold an address
    """
    with naming_unreadable(uri):
        lines = [json.loads(line) for line in data.splitlines()]
        redacted = [{**line, "record": erased.redact_record(line["record"])} for line in lines]
        text = "".join(json.dumps(line) + "\n" for line in redacted)
        found = {each for line in lines for each in find_people(line["record"], erased.hashes)}
    records = sum(line != new for line, new in zip(lines, redacted, strict=True))
    return text, Redaction(records, found)


@contextmanager
def naming_unreadable(uri: str) -> Iterator[None]:
    """Convert the errors of a damaged file into one that names it, and nothing in it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # the error would carry the record along
    else:
        return
    raise BadData(
        f"{uri} cannot be read, and may hold an address: land the day again or delete the file, "
        "then erase again"
    )
