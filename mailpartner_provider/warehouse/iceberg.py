"""The load of an Iceberg table: each day is replaced by one snapshot of the table.

The table refers to copies, because a file in the lake is replaced when its day is landed again. The
name of a copy begins with the SHA-256 of the file in the lake, so the table itself tells what it
holds, even when its old snapshots have expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from mailpartner_provider.errors import BadData, Conflict, WrongArgument
from mailpartner_provider.lake.layouts import CREATED
from mailpartner_provider.lake.receipts import ChangesReceipt
from mailpartner_provider.lake.scratch import digest
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.warehouse import parts
from mailpartner_provider.warehouse.bulk import write_with_account
from mailpartner_provider.warehouse.iceberg_table import (
    HeldFile,
    describe_file,
    naming_catalog,
    open_table,
    read_held_files,
    with_ids,
)
from mailpartner_provider.warehouse.loader import Loader
from mailpartner_provider.warehouse.parts import Part
from mailpartner_provider.warehouse.request import CHANGES, SNAPSHOTS, LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import Stop
from mailpartner_provider.warehouse.target import Owner, check_owner

_COMMITS = 20  # of other writers, each of which makes a new plan necessary
_CHUNK = 2**20
_SOURCE = "mailpartner.source."  # a property of the table for each account
#: The members of a receipt that the summary of a snapshot has.
_MEMBERS = ("dataset", "snapshot_date", "status", "sha256", "rows", "provider_version")


def load(request: LoadRequest, catalog: Catalog, conn_id: str, stop: Stop) -> LoadReport:
    """Load the days that the table lacks: see ``Loader.run``.

    :param conn_id: the connection of the catalog, for errors
    """
    return _IcebergLoader(request, catalog, conn_id, stop).run()


def dataset_of(source: Destination) -> str:
    """Return the dataset that a source holds.

    :raises WrongArgument: it has no receipt, or no snapshots and no changes
    """
    receipt = parts.newest_receipt(source)
    if getattr(receipt, "partition_by", None) == CREATED:
        raise WrongArgument(
            f"source: {source.uri('')} has partition_by={CREATED!r}, which is the list as it is "
            "now: name the destination of snapshots or changes"
        )
    return CHANGES if isinstance(receipt, ChangesReceipt) else SNAPSHOTS


class _IcebergLoader(Loader):
    """Commits to the table as it was read; if another commit came first, reads it again."""

    table: Table
    held: dict[date, list[HeldFile]]

    def __init__(self, request: LoadRequest, catalog: Catalog, conn_id: str, stop: Stop) -> None:
        super().__init__(request, stop)
        self.catalog = catalog
        self.conn_id = conn_id

    def prepare(self) -> Iterable[date]:
        self._read()
        return set(self.held)

    def holds(self, part: Part) -> bool:
        return _holds(self.held.get(part.day, []), part)

    def try_to_load(self, part: Part, scratch: Path) -> Part:
        new = self._put_copy(part, scratch)
        for _ in range(_COMMITS):
            landed = self.landed_now(part)
            is_done = landed.sha256 != part.sha256 or self.holds(part)
            if is_done or self._commit(part.day, new, part.receipt.as_dict()):
                return landed
            self._read()
        raise self._conflict(part.day)

    def remove(self, day: date) -> None:
        members = {"snapshot_date": day, "rows": 0}
        for _ in range(_COMMITS):
            if day not in self.held or self._commit(day, None, members):
                return
            self._read()
        raise self._conflict(day)

    def finish(self) -> None:
        fields = self.table.schema().fields
        self.report.columns = {field.name: str(field.field_type) for field in fields}
        self.report.location = self.table.location()
        super().finish()

    def _put_copy(self, part: Part, scratch: Path) -> DataFile | None:
        """Put a copy of a day's file into the table's store; return None if it has no rows."""
        (file,) = self.fetch(part, scratch)
        rows = pq.read_metadata(file.path).num_rows
        if rows != part.rows:
            raise BadData(
                f"{rows} rows of {part.day} were read, but its receipt declares {part.rows}: "
                "nothing was changed",
                day=part.day,
            )
        if not rows:
            return None
        copy = scratch / "copy.parquet"
        columns = with_ids(self.columns, self.table)
        write_with_account(file.path, self.report.account, copy, columns)
        new = describe_file(self.table, copy, self._location(part, copy))
        self._upload(copy, new.file_path)
        return new

    def _commit(self, day: date, new: DataFile | None, members: dict[str, Any]) -> bool:
        """Replace the files of a day by one snapshot; return False if another commit came first."""
        self.stop.raise_if_stopped()
        summary = {
            f"mailpartner.{name}": str(members[name]) for name in _MEMBERS if name in members
        }
        summary["mailpartner.account"] = self.report.account
        table, held = _without_retries(self.table), self.held.pop(day, [])
        try:
            with self._naming("committing"), table.transaction() as transaction:
                if self._source_property not in table.properties:
                    transaction.set_properties({self._source_property: self.report.destination})
                update = transaction.update_snapshot(snapshot_properties=summary)
                with update.overwrite() if held else update.merge_append() as snapshot:
                    for old in held:
                        snapshot.delete_data_file(old.file)
                    if new:
                        snapshot.append_data_file(new)
        except (CommitFailedException, ValidationException):
            return False
        self.table = table
        if new:
            self.held[day] = [HeldFile(day, new, is_whole=True)]
        return True

    def _read(self) -> None:
        """Read the table as it is now, and check that this account is of this source."""
        self.stop.raise_if_stopped()
        request = self.request
        table = open_table(self.catalog, request.table, self.columns, self.conn_id)
        for name, destination in table.properties.items():
            account = name.removeprefix(_SOURCE)
            if name == account:
                continue
            if account == self.report.account or destination == self.report.destination:
                owner = Owner(destination, request.dataset, account)
                cure = f"set the table's property {name} to the new source"
                check_owner(owner, request, self.report.account, cure)
        self.table, self.held = table, {}
        with self._naming("reading the table"):
            for held in read_held_files(table, self.report.account):
                self.held.setdefault(held.day, []).append(held)

    def _location(self, part: Part, copy: Path) -> str:
        """Return where to put a copy: another content is another name, even of the same day."""
        folder = f"account={quote(self.report.account, safe='')}/snapshot_date={part.day}"
        name = f"{folder}/{part.sha256}-{digest(copy)[:16]}.parquet"
        return str(self.table.location_provider().new_data_location(name))

    def _upload(self, copy: Path, location: str) -> None:
        """Put a copy into the table's store, unless an earlier load has done so."""
        with self._naming(f"writing {location}"):
            output = self.table.io.new_output(location)
            if output.exists() and len(output) == copy.stat().st_size:
                return
            with copy.open("rb") as content, output.create(overwrite=True) as stream:
                while chunk := content.read(_CHUNK):
                    self.stop.raise_if_stopped()
                    stream.write(chunk)

    def _naming(self, what: str) -> AbstractContextManager[None]:
        return naming_catalog(self.conn_id, f"{what} ({self.request.table})")

    def _conflict(self, day: date) -> Conflict:
        return Conflict(
            f"table: {_COMMITS} commits of others to {self.request.table} came first: run the task "
            "again, with fewer writers at once",
            day=day,
        )

    @property
    def _source_property(self) -> str:
        return f"{_SOURCE}{self.report.account}"


def _holds(held: list[HeldFile], part: Part) -> bool:
    """Return whether files are those of a day: one copy of its file; none if it has no rows."""
    if not part.rows:
        return not held
    return [(True, part.rows, part.sha256)] == [
        (each.is_whole, each.file.record_count, _sha256(each.file.file_path)) for each in held
    ]


def _sha256(location: str) -> str:
    """Return the SHA-256 in the name of a copy."""
    return location.rpartition("/")[2].partition("-")[0]


def _without_retries(table: Table) -> Table:
    """Return the table for one try to commit.

    A retry by pyiceberg would append the file once more if another writer has just added the day.
    """
    properties = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    metadata = table.metadata.model_copy(update={"properties": properties})
    return Table(table.name(), metadata, table.metadata_location, table.io, table.catalog)
