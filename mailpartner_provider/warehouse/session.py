"""A connection to a warehouse, whose errors are raised without the values that they may quote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from mailpartner_provider.errors import LandingStopped, MailPartnerError
from mailpartner_provider.words import first_line, without_text

_T = TypeVar("_T")


class OutOfMemory(OSError):
    """A statement exceeded the memory limit of DuckDB."""


class Stop:
    """A request to stop, which also interrupts the running statement."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._interrupt: Callable[[], object] | None = None

    def stop(self) -> None:
        """Make the load raise LandingStopped, at once if its driver can interrupt a statement."""
        self._stopped.set()
        if self._interrupt:
            self._interrupt()

    def interrupts(self, connection: Any) -> None:
        """Make ``stop`` interrupt the statements of this connection."""
        self._interrupt = getattr(connection, "interrupt", getattr(connection, "cancel", None))

    def raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise LandingStopped("stopped; the day that was being loaded is unchanged")


class Session:
    """A connection to a warehouse by any driver of the DB-API.

    Methods raise OSError, without values, when the warehouse fails (OutOfMemory when DuckDB reaches
    its memory limit), and LandingStopped when the task was stopped.

    :param connection: the open connection of the driver
    :param cursor: a cursor of this connection
    :param conn_id: the id of the Airflow connection, with which errors begin
    :param begin: the statement that begins a transaction; None where none is needed
    """

    def __init__(
        self, connection: Any, cursor: Any, conn_id: str, begin: str | None, stop: Stop
    ) -> None:
        self._connection = connection
        self._cursor = cursor
        self._conn_id = conn_id
        self._begin = begin
        self._stop = stop
        stop.interrupts(connection)

    def begin(self) -> None:
        if self._begin:
            self.execute("BEGIN", self._begin)

    def commit(self) -> None:
        self._call("COMMIT", self._connection.commit)

    def rollback(self) -> None:
        """End a transaction, if one is open."""
        with suppress(Exception):  # there is none, or the connection is lost
            self._connection.rollback()

    def execute(self, what: str, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a statement.

        :param what: a few words that name the statement in errors
        """
        arguments = [statement, list(parameters)] if parameters else [statement]
        self._call(what, lambda: self._cursor.execute(*arguments))

    def define(self, what: str, statement: str) -> None:
        """Execute a statement that handles no rows, so that its error may be quoted."""
        self._call(what, lambda: self._cursor.execute(statement), quoted=True)

    def fetch(self, what: str, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement, and return the rows of its result."""
        self.execute(what, statement, parameters)
        rows = self._call(what, lambda: list(self._cursor.fetchall()))
        # Dicts if the connection of PostgreSQL has the extra {"cursor": "dictcursor"}.
        return [list(row.values()) if isinstance(row, Mapping) else row for row in rows]

    def names(self, statement: str) -> list[str] | None:
        """Return the columns of the result of a statement; None if it fails."""
        try:
            self.execute("SELECT", statement)
            return [column[0].lower() for column in self._cursor.description]
        except OSError:
            return None
        finally:
            self.rollback()

    def copy(self, what: str, statement: str, chunks: Iterable[bytes]) -> None:
        """Execute PostgreSQL's COPY FROM STDIN with these bytes."""
        self._call(what, lambda: _copy(self._cursor, statement, chunks))

    def _call(self, what: str, call: Callable[[], _T], quoted: bool = False) -> _T:
        self._stop.raise_if_stopped()
        try:
            return call()
        except MailPartnerError:
            raise
        except Exception as error:
            problem = _describe(error, quoted)
            kind = OutOfMemory if type(error).__name__ == "OutOfMemoryException" else OSError
        # Raised here, so that the driver's error, which may quote a person, is not its context.
        self._stop.raise_if_stopped()
        raise kind(f"connection {self._conn_id}: {what} failed: {problem}")


def _describe(error: Exception, quoted: bool) -> str:
    if quoted and str(error).strip():
        return f"{type(error).__name__}: {first_line(error)}"
    return without_text(error)


def _copy(cursor: Any, statement: str, chunks: Iterable[bytes]) -> None:
    if hasattr(cursor, "copy_expert"):  # psycopg2
        cursor.copy_expert(statement, _Reader(chunks), size=2**20)
        return
    with cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)


class _Reader:
    """A readable file that consists of chunks of bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        found, self._left = self._left[:size], self._left[size:]
        return bytes(found)
