"""The load of a table: each day that it lacks is loaded in one transaction.

The receipts in the lake are compared with the table ``<table>_loaded``; the event that started the
task is not used. So the first run loads everything, and a run without new landings nothing.
"""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

from mailpartner_provider.errors import BadData, UnknownPartition, WrongArgument
from mailpartner_provider.lake.scratch import temporary_folder
from mailpartner_provider.warehouse import parts
from mailpartner_provider.warehouse.bulk import CsvRows, write_with_account
from mailpartner_provider.warehouse.dialects import Dialect
from mailpartner_provider.warehouse.history import create_view
from mailpartner_provider.warehouse.parts import File, Part
from mailpartner_provider.warehouse.request import (
    CURRENT,
    DELETE,
    RECEIPTS,
    LoadReport,
    LoadRequest,
)
from mailpartner_provider.warehouse.session import Session, Stop
from mailpartner_provider.warehouse.statements import Statements
from mailpartner_provider.warehouse.target import Held, create_table, read_held
from mailpartner_provider.words import counted

log = logging.getLogger(__name__)

_TRIES = 3  # a day may be landed again while it is loaded


def load(request: LoadRequest, session: Session, dialect: Dialect, stop: Stop) -> LoadReport:
    """Load the days that the table lacks; days that cannot be loaded do not prevent the others.

    :raises WrongArgument: source, table and account do not belong together
    :raises BadData: some days cannot be loaded; all others were
    :raises NothingToLand: the dataset is ``current``, and there is no live snapshot yet
    :raises OSError: the lake or the warehouse failed
    :raises LandingStopped: the task was stopped
    """
    return _Load(request, session, dialect, stop).run()


class _Load:
    def __init__(
        self, request: LoadRequest, session: Session, dialect: Dialect, stop: Stop
    ) -> None:
        newest = parts.newest_receipt(request.source)
        destination = request.source.uri("").rstrip("/")
        parts.check_source(request.dataset, newest, destination)
        if request.dataset != RECEIPTS:
            dialect.check_source(destination)
        account = request.account or newest.conn_id
        if not account:
            raise WrongArgument(
                f"account: the newest receipt in {destination} names no connection: set account"
            )
        columns = parts.columns_of(request.dataset, newest)
        by_day = request.dataset != CURRENT
        self.request = request
        self.session = session
        self.dialect = dialect
        self.stop = stop
        self.statements = Statements(dialect, request.table, columns, by_day)
        self.report = LoadReport(destination, request.dataset, request.table, account)

    def run(self) -> LoadReport:
        request, report = self.request, self.report
        create_table(self.session, self.statements)
        held = read_held(self.session, self.statements, request, report.account)
        problems: list[BadData] = []
        days = set()
        for part in parts.find_parts(request.source, request.dataset):
            if isinstance(part, BadData):
                problems.append(part)
                days.add(part.day)
                continue
            days.add(part.day)
            try:
                self._load_unless_held(part, held)
            except BadData as error:
                problems.append(error)
        if request.dataset != CURRENT:
            self._remove([day for day in sorted(held) if day not in days])
        if request.history_view:
            create_view(self.session, self.statements, request.history_view)
        if problems:
            raise _summary(problems)
        return report

    def _load_unless_held(self, part: Part, held: dict[date, Held]) -> None:
        self.report.newest_day = str(part.day)
        if held.get(part.day) == Held(part.sha256, part.rows):
            self.report.unchanged_days += 1
            return
        newest_held = max(held, default=part.day)
        if self.request.dataset == CURRENT and newest_held > part.day:
            raise BadData(
                f"the newest live snapshot in {self.report.destination} is of {part.day}, but that "
                f"of {newest_held} is loaded: restore the newer one in the lake, or delete the row "
                f"in {self.statements.loaded}",
                day=part.day,
            )
        rows = self._load_day(part)
        self.report.days += 1
        self.report.rows += rows

    def _load_day(self, part: Part) -> int:
        """Load a day, again if it is landed again before the commit; return the number of rows."""
        for _ in range(_TRIES):
            try:
                with temporary_folder() as scratch:
                    landed = self._try_to_load(part, scratch)
            except UnknownPartition:
                landed = self._landed_now(part)
                if landed.sha256 == part.sha256:
                    raise
            if landed.sha256 == part.sha256:
                log.info("Loaded %d rows of %s into %s", part.rows, part.day, self.request.table)
                return part.rows
            part = landed
        raise UnknownPartition(
            f"{part.day} in {self.report.destination} is landed again and again: load it later",
            day=part.day,
        )

    def _try_to_load(self, part: Part, scratch: Path) -> Part:
        """Load a day, and commit if it was not landed again since; return the day as it is now."""
        session, statements = self.session, self.statements
        files = self._fetch(part, scratch)
        where = [self.report.account, *([part.day] if statements.by_day else [])]
        try:
            self._stage(files)
            session.begin()
            if lock := statements.lock():
                session.execute("waiting for other loads", lock)
            session.execute("DELETE", statements.delete(), where)
            self._insert(part, files)
            ((rows,),) = session.fetch("SELECT", statements.count(), where)
            if rows != part.rows:
                raise BadData(
                    f"{rows} rows of {part.day} were loaded, but its receipt declares {part.rows}: "
                    "nothing was changed",
                    day=part.day,
                )
            session.execute("DELETE", statements.forget(), where)
            session.execute("INSERT", statements.remember(), self._loaded_row(part))
            landed = self._landed_now(part)
            if landed.sha256 == part.sha256:
                session.commit()
        finally:
            session.rollback()
        return landed

    def _fetch(self, part: Part, scratch: Path) -> list[File]:
        if self.request.dataset == RECEIPTS:
            return []
        source = self.request.source
        files = parts.fetch(source, part, scratch, self.stop.raise_if_stopped)
        parts.check_columns(files, self.statements.columns, part)
        if not self.dialect.adds_account:
            return files
        copies = []
        for file in files:
            copy = file.path.with_name(f"loaded-{file.path.name}")
            write_with_account(file.path, self.report.account, copy)
            copies.append(File(copy, file.uri))
        return copies

    def _stage(self, files: list[File]) -> None:
        if not files or not self.dialect.stage:
            return
        for statement in self.statements.prepare():
            self.session.define("making a temporary place", statement)
        for file in files:
            statement = self.statements.stage(str(file.path), file.uri)
            self.session.execute("reading the file", statement)

    def _insert(self, part: Part, files: list[File]) -> None:
        what = f"loading into {self.request.table}"
        paths = [file.path for file in files]
        if self.request.dataset == RECEIPTS:
            values = [self.report.account, *parts.values_of(part)]
            self.session.execute(what, self.statements.insert_values(), values)
        elif self.dialect.insert_parameters is None:
            self._copy(what, paths)
        else:
            known = {"account": self.report.account, "files": [str(path) for path in paths]}
            parameters = [known[name] for name in self.dialect.insert_parameters]
            self.session.execute(what, self.statements.insert(), parameters)

    def _copy(self, what: str, files: list[Path]) -> None:
        rows = CsvRows(files, self.report.account, self.stop.raise_if_stopped)
        self.session.copy(what, self.statements.insert(), rows)
        if rows.rows_with_nul:
            log.warning(
                "%d rows had a NUL in a text, which %s cannot hold: they were loaded without it",
                rows.rows_with_nul,
                self.dialect.name,
            )

    def _remove(self, days: list[date]) -> None:
        """Remove days that the lake no longer has from the table, or only log their number."""
        if not days:
            return
        if self.request.removed_days != DELETE:
            log.warning(
                "Keeping %s of %s that %s no longer has; removed_days=%r deletes them",
                counted(len(days), "day"),
                self.request.table,
                self.report.destination,
                DELETE,
            )
            return
        for day in days:
            self.session.begin()
            where = [self.report.account, day]
            self.session.execute("DELETE", self.statements.delete(), where)
            self.session.execute("DELETE", self.statements.forget(), where)
            self.session.commit()
            self.report.removed_days += 1
            log.info("Removed %s from %s: it is no longer in the lake", day, self.request.table)

    def _landed_now(self, part: Part) -> Part:
        """Return the day as it is in the lake now."""
        landed = parts.find_part(self.request.source, self.request.dataset, part.day)
        if landed is None:
            raise BadData(
                f"{part.day} was removed from {self.report.destination} while it was loaded",
                day=part.day,
            )
        return landed

    def _loaded_row(self, part: Part) -> list[object]:
        report = self.report
        owner = [report.destination, report.dataset, report.account]
        return [*owner, part.day, part.sha256, part.rows]


def _summary(problems: list[BadData]) -> BadData:
    """Return the error of the newest day, with the number of other days that have one."""
    last = problems[-1]
    if len(problems) == 1:
        return last
    return type(last)(f"{last}; {len(problems) - 1} more days could not be loaded", day=last.day)
