"""The load of a table, whatever holds the table: each day that it lacks is loaded.

The receipts in the lake are compared with the table; the event that started the task is not used.
So the first run loads everything, and a run without new landings nothing.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from mailpartner_provider.errors import BadData, UnknownPartition, WrongArgument
from mailpartner_provider.lake.scratch import temporary_folder
from mailpartner_provider.warehouse import parts
from mailpartner_provider.warehouse.columns import columns_of
from mailpartner_provider.warehouse.parts import File, Part
from mailpartner_provider.warehouse.request import CURRENT, DELETE, LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import Stop
from mailpartner_provider.words import counted

log = logging.getLogger(__name__)

_TRIES = 3  # a day may be landed again while it is loaded


class Loader(ABC):
    """One load; subclasses know what kind of table it is."""

    def __init__(self, request: LoadRequest, stop: Stop) -> None:
        newest = parts.newest_receipt(request.source)
        parts.check_source(request.dataset, newest, request.destination)
        account = request.account or newest.conn_id
        if not account:
            raise WrongArgument(
                f"account: the newest receipt in {request.destination} names no connection: set "
                "account"
            )
        self.request = request
        self.stop = stop
        self.columns = columns_of(request.dataset, newest)
        self.report = LoadReport(request.destination, request.dataset, request.table, account)

    def run(self) -> LoadReport:
        """Load the days that the table lacks; days that cannot be loaded do not prevent the others.

        :raises WrongArgument: source, table and account do not belong together
        :raises BadData: some days cannot be loaded; all others were
        :raises NothingToLand: the dataset is ``current``, and there is no live snapshot yet
        :raises OSError: the lake or the table failed
        :raises LandingStopped: the task was stopped
        """
        request = self.request
        held = self.prepare()
        problems: list[BadData] = []
        days = set()
        for part in parts.find_parts(request, self.stop.raise_if_stopped):
            days.add(part.day)
            if isinstance(part, BadData):
                problems.append(part)
                continue
            try:
                self._load_unless_held(part)
            except BadData as error:
                problems.append(error)
        if request.dataset != CURRENT:
            self._remove(sorted(set(held) - days))
        self.finish()
        if problems:
            raise _summary(problems)
        return self.report

    @abstractmethod
    def prepare(self) -> Iterable[date]:
        """Create the table unless it exists; return the days of the account that it holds.

        :raises WrongArgument: the table, the source and the account do not belong together
        """

    @abstractmethod
    def holds(self, part: Part) -> bool:
        """Return whether the prepared table held a day exactly as the lake has it."""

    @abstractmethod
    def try_to_load(self, part: Part, scratch: Path) -> Part:
        """Load a day, and commit unless it was landed again since; return it as it is now."""

    @abstractmethod
    def remove(self, day: date) -> None:
        """Remove a day of the account from the table."""

    def finish(self) -> None:
        """Log the result, once every day was loaded or has failed."""
        report = self.report
        log.info(
            "Loaded %s of %s of %s into %s (%s); loaded before: %s; removed: %s",
            counted(report.rows, "row"),
            counted(report.days, "day"),
            report.account,
            report.table,
            report.dataset,
            counted(report.unchanged_days, "day"),
            counted(report.removed_days, "day"),
        )

    def fetch(self, part: Part, scratch: Path) -> list[File]:
        """Copy the files of a day to scratch space, and verify their digests and columns."""
        files = parts.fetch(self.request.source, part, scratch, self.stop.raise_if_stopped)
        parts.check_columns(files, self.columns, part)
        return files

    def landed_now(self, part: Part) -> Part:
        """Return the day as it is in the lake now."""
        landed = parts.find_part(self.request, part.day)
        if landed is None:
            raise BadData(
                f"{part.day} was removed from {self.report.destination} while it was loaded",
                day=part.day,
            )
        return landed

    def _load_unless_held(self, part: Part) -> None:
        if self.holds(part):
            self.report.unchanged_days += 1
        else:
            part = self._load_day(part)
            self.report.sources.append(parts.uri_of(self.request, part))
            self.report.days += 1
            self.report.rows += part.rows
        self.report.newest_day = str(part.day)

    def _load_day(self, part: Part) -> Part:
        """Load a day, again if it is landed again before the commit; return what was loaded."""
        for _ in range(_TRIES):
            try:
                with temporary_folder() as scratch:
                    landed = self.try_to_load(part, scratch)
            except UnknownPartition:
                landed = self.landed_now(part)
                if landed.sha256 == part.sha256:
                    raise
            if landed.sha256 == part.sha256:
                rows = counted(part.rows, "row")
                log.info("Loaded %s of %s into %s", rows, part.day, self.request.table)
                return part
            part = landed
        raise UnknownPartition(
            f"{part.day} in {self.report.destination} is landed again and again: load it later",
            day=part.day,
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
            self.remove(day)
            self.report.removed_days += 1
            log.info("Removed %s from %s: it is no longer in the lake", day, self.request.table)


def _summary(problems: list[BadData]) -> BadData:
    """Return the error of the newest day, with the number of other days that have one."""
    newest = max(problems, key=lambda problem: problem.day or date.min)
    if len(problems) == 1:
        return newest
    text = f"{newest}; {len(problems) - 1} more days could not be loaded"
    return type(newest)(text, day=newest.day)
