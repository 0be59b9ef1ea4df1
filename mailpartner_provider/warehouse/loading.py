"""The load of a table of a database: each day is loaded in one transaction.

What the table holds is recorded in the table ``<table>_loaded``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from mailpartner_provider.errors import BadData
from mailpartner_provider.warehouse.bulk import CsvRows, write_with_account
from mailpartner_provider.warehouse.columns import values_of
from mailpartner_provider.warehouse.dialects import Dialect
from mailpartner_provider.warehouse.history import create_view
from mailpartner_provider.warehouse.loader import Loader
from mailpartner_provider.warehouse.parts import File, Part
from mailpartner_provider.warehouse.request import CURRENT, RECEIPTS, LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import OutOfMemory, Session, Stop
from mailpartner_provider.warehouse.statements import Statements
from mailpartner_provider.warehouse.target import Held, begin, create_table, read_held

log = logging.getLogger(__name__)


def load(request: LoadRequest, session: Session, dialect: Dialect, stop: Stop) -> LoadReport:
    """Load the days that the table lacks: see ``Loader.run``."""
    return _SqlLoader(request, session, dialect, stop).run()


class _SqlLoader(Loader):
    def __init__(
        self, request: LoadRequest, session: Session, dialect: Dialect, stop: Stop
    ) -> None:
        super().__init__(request, stop)
        if request.dataset != RECEIPTS:
            dialect.check_source(self.report.destination)
        by_day = request.dataset != CURRENT
        self.session = session
        self.dialect = dialect
        self.statements = Statements(dialect, request.table, self.columns, by_day)
        self.held: dict[date, Held] = {}
        self.report.columns = self.statements.types()

    def prepare(self) -> Iterable[date]:
        create_table(self.session, self.statements)
        self.held = read_held(self.session, self.statements, self.request, self.report.account)
        return self.held

    def holds(self, part: Part) -> bool:
        return self.held.get(part.day) == Held(part.sha256, part.rows)

    def try_to_load(self, part: Part, scratch: Path) -> Part:
        self._check_newer(part)
        files = self._fetch(part, scratch)
        try:
            return self._replace(part, files)
        except OutOfMemory:
            if not self.dialect.more_memory:
                raise
        log.info("Loading %s again, with more memory, for wide rows", part.day)
        self.session.execute("SET", self.dialect.more_memory)
        return self._replace(part, files)

    def _replace(self, part: Part, files: list[File]) -> Part:
        """Replace a day in one transaction: see ``try_to_load``."""
        session, statements = self.session, self.statements
        where = [self.report.account, *([part.day] if statements.by_day else [])]
        try:
            self._stage(files)
            begin(session, statements)
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
            landed = self.landed_now(part)
            if landed.sha256 == part.sha256:
                session.commit()
        finally:
            session.rollback()
        return landed

    def remove(self, day: date) -> None:
        where = [self.report.account, day]
        begin(self.session, self.statements)
        self.session.execute("DELETE", self.statements.delete(), where)
        self.session.execute("DELETE", self.statements.forget(), where)
        self.session.commit()

    def finish(self) -> None:
        if (view := self.request.history_view) and not self._has_current(view):
            create_view(self.session, self.statements, view)
        super().finish()

    def _has_current(self, view: str) -> bool:
        """Return whether a view needs no replacement, which would wait for whoever reads it."""
        if self.report.days or self.report.removed_days:
            return False
        return "gone_by" in (self.session.names(self.statements.names_of(view)) or [])

    def _check_newer(self, part: Part) -> None:
        newest_held = max(self.held, default=part.day)
        if self.request.dataset == CURRENT and newest_held > part.day:
            raise BadData(
                f"the newest live snapshot in {self.report.destination} is of {part.day}, but that "
                f"of {newest_held} is loaded: restore the newer one in the lake, or delete the row "
                f"in {self.statements.loaded}",
                day=part.day,
            )

    def _fetch(self, part: Part, scratch: Path) -> list[File]:
        if self.request.dataset == RECEIPTS:
            return []
        files = self.fetch(part, scratch)
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
            self.session.define("creating a temporary stage or table", statement)
        for file in files:
            statement = self.statements.stage(str(file.path), file.uri)
            self.session.execute("reading the file", statement)

    def _insert(self, part: Part, files: list[File]) -> None:
        what = f"loading into {self.request.table}"
        paths = [file.path for file in files]
        if self.request.dataset == RECEIPTS:
            values = [self.report.account, *values_of(part.receipt)]
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

    def _loaded_row(self, part: Part) -> list[object]:
        report = self.report
        owner = [report.destination, report.dataset, report.account]
        return [*owner, part.day, part.sha256, part.rows]
