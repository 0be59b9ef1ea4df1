"""Erased people in partitions of ``email_mode="hmac"``, even if the key has been replaced since.

Without an earlier key, its hashes cannot be computed. People are then found in its partitions by
their ids, which are known from the partitions of a key that is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mailpartner_provider.lake.parquet import read_batches
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.erasure_list import ErasureList
from mailpartner_provider.privacy.redaction import KEYED_COLUMN, naming_unreadable

_COMPARED_ROWS = 1000


class KeyedPeople(NamedTuple):
    """The ids of erased people, and why some of their rows may not have been found."""

    ids: set[int]
    unsearched: list[str]


class _KeyedFile(NamedTuple):
    """The ids of erased people in a partition, and hashes of its first rows by id."""

    ids: set[int]
    sample: dict[int, str]
    has_extra_fields: bool


def find_keyed_people(
    destination: Destination,
    partitions: Iterable[str],
    scratch: Path,
    erased: ErasureList,
    keys: int,
) -> KeyedPeople:
    """Find erased people by their keyed hashes.

    :param partitions: the names of all partitions
    :param erased: the list, with hashes by each key that is named
    :param keys: the number of these keys
    :raises BadData: a partition cannot be read, and may hold an address
    """
    files, copy = [], scratch / "keyed.parquet"
    for name in partitions:
        if destination.fetch(name, copy):
            files.append(_read(copy, destination.uri(name), erased))
    keyed = [file for file in files if file]
    ids = set[int]().union(*(file.ids for file in keyed))
    needed = _count_keys(keyed)
    if needed <= keys or not any(file.has_extra_fields for file in keyed):
        return KeyedPeople(ids, [])
    return KeyedPeople(
        ids,
        [
            f"{destination.uri('')}: its partitions were hashed with at least {needed} keys, and "
            f"{keys} named; for the others too, name a connection by --mailpartner-conn-id"
        ],
    )


def _read(file: Path, uri: str, erased: ErasureList) -> _KeyedFile | None:
    ids, sample, has_extra_fields = set[int](), dict[int, str](), False
    with naming_unreadable(uri):
        parquet = pq.ParquetFile(file)
        if KEYED_COLUMN not in parquet.schema_arrow.names:
            return None
        known = pa.array(list(erased.hashes), pa.string())
        columns = ["id", str(KEYED_COLUMN), "extra_fields"]
        for batch in read_batches(parquet, columns):
            hashes, extra = batch.column(KEYED_COLUMN), batch.column("extra_fields")
            ids.update(batch.column("id").filter(pc.is_in(hashes, known)).to_pylist())
            has_extra_fields |= extra.null_count < len(extra)
            first = batch.slice(0, _COMPARED_ROWS - len(sample)).to_pylist()
            sample |= {row["id"]: row[KEYED_COLUMN] for row in first}
    return _KeyedFile(ids, sample, has_extra_fields)


def _count_keys(files: Iterable[_KeyedFile]) -> int:
    """Return the least number of keys that hashed these files: with one key, an id has one hash."""
    by_key: list[dict[int, str]] = []
    for file in files:
        same = [each for each in by_key if each.items() & file.sample.items()]
        if same:
            same[0].update(file.sample)
        elif not by_key or any(each.keys() & file.sample.keys() for each in by_key):
            by_key.append(dict(file.sample))
    return len(by_key)
