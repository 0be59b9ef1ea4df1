"""The people on the list, read from the newest live snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from mailpartner_provider.errors import BadData, Conflict, WrongArgument
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.history import days_until, receipts
from mailpartner_provider.lake.layouts import CREATED, INDEX, digests_of_list, read_index
from mailpartner_provider.lake.names import partition_file
from mailpartner_provider.lake.parquet import read_batches
from mailpartner_provider.lake.receipts import LIVE, SnapshotReceipt
from mailpartner_provider.lake.scratch import digest
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.email_modes import DROP
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.pushes.hashing import PersonHash


class Listed(NamedTuple):
    """The newest live snapshot of a list, and the hash function to look up people in it.

    :param newest_sha256: the digest in the newest receipt, which declares all partitions of the
        layout ``created``
    """

    source: Destination
    receipt: SnapshotReceipt
    person_hash: PersonHash
    newest_sha256: str

    def hashes(self, scratch: Path) -> Iterator[str]:
        """Yield the hash of every person on the list.

        :raises Conflict: another task is replacing the snapshot
        :raises OSError: the snapshot cannot be read
        """
        column = str(self.person_hash.mode.column)  # there is one: email_mode "drop" is refused
        for name, sha256 in self._files(scratch).items():
            copy = scratch / "listed.parquet"
            if self.source.fetch(name, copy) is None or digest(copy) != sha256:
                raise self._conflict(name)
            with pq.ParquetFile(copy) as file:
                for batch in read_batches(file, [column]):
                    yield from self.person_hash.of_column(batch.column(0).to_pylist())

    def _files(self, scratch: Path) -> dict[str, str]:
        """Return the SHA-256 of every partition of the list by its name."""
        if self.receipt.partition_by != CREATED:
            return {partition_file(self.receipt.day): self.receipt.sha256}
        index = read_index(Commit(self.source, scratch)) or {}
        if self.newest_sha256 not in digests_of_list(index):  # a landing may be under way
            raise self._conflict(INDEX)
        return {name: declared.sha256 for name, declared in index.items()}

    def _conflict(self, name: str) -> Conflict:
        return Conflict(
            f"{self.source.uri(name)} is not what its receipt declares: let the task run again; if "
            "that does not help, land the list again"
        )


def newest_listed(
    source: Destination,
    today: date,
    is_account: Callable[[str], bool],
    hmac_key: Callable[[], bytes],
) -> Listed:
    """Return the newest live snapshot.

    :param today: the present day in UTC
    :param is_account: whether a connection id names the account to which people are added
    :param hmac_key: returns the key of ``email_mode="hmac"``
    :raises BadData: there is no live snapshot
    :raises WrongArgument: it is of another account, or has neither addresses nor hashes
    """
    receipt, newest_sha256, uri = None, "", source.uri("")
    for each in receipts(source, days_until(source, today)):
        newest_sha256 = newest_sha256 or each.sha256
        if isinstance(each, SnapshotReceipt) and each.status == LIVE:
            receipt = each
            break
    if receipt is None:
        raise BadData(f"snapshot: {uri} has no live snapshot to compare with: land the list first")
    if receipt.conn_id is not None and not is_account(receipt.conn_id):
        raise WrongArgument(
            f"snapshot: {uri} is of the connection {receipt.conn_id!r}: name the folder of this "
            "account, or, if the connection was only renamed, set its extra renamed_from"
        )
    mode = receipt.email_mode
    if mode == DROP:
        raise WrongArgument(
            f"snapshot: {uri} was landed with email_mode='drop', so nobody can be looked up in it: "
            "land the list with another email_mode, in another folder"
        )
    return Listed(source, receipt, PersonHash(EmailMode.of(mode, hmac_key)), newest_sha256)
