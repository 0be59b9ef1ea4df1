"""The difference between two lists, and the list that results from many differences.

DuckDB computes both, on disk when they exceed its memory limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mailpartner_provider.errors import LandingStopped, WrongArgument

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "256MB"  # beyond it, DuckDB writes to the scratch folder
OLD_MEMORY_LIMIT = "512MB"  # before DuckDB 1.5, which is less frugal
MORE_MEMORY = "1GB"  # for rows of several kilobytes, which DuckDB sorts in memory
THREADS = 2  # each takes its share of the memory
OLD_THREADS = 1  # before DuckDB 1.5, two that begin to write to disk at once can fail

_BATCH_ROWS = 8192

# The records of an id are compared as a multiset. GROUP BY treats nulls as equal, and a sum of zero
# means that a record occurs as often in one list as in the other.
_CHANGES = """
WITH
    records AS (
        SELECT {columns}, 1 AS side FROM {current}
        UNION ALL
        SELECT {columns}, -1 AS side FROM {previous}
    ),
    differing AS (
        SELECT DISTINCT id
        FROM (SELECT id FROM records GROUP BY {columns} HAVING sum(side) <> 0)
    ),
    touched AS MATERIALIZED (SELECT * FROM records SEMI JOIN differing USING (id)),
    presence AS (
        SELECT id, max(side) = 1 AS is_listed, min(side) = -1 AS was_listed
        FROM touched
        GROUP BY id
    )
SELECT
    CASE WHEN NOT is_listed THEN 'removed' WHEN was_listed THEN 'changed' ELSE 'added' END
        AS change,
    {columns}
FROM touched JOIN presence USING (id)
WHERE is_listed = (side = 1)
ORDER BY change, {columns}
"""

# The newest changes of an id contain all records that it has now.
_REPLAYED = """
WITH newest AS (SELECT id, max(snapshot_date) AS snapshot_date FROM {changes} GROUP BY id)
SELECT {columns}
FROM {changes} JOIN newest USING (id, snapshot_date)
WHERE change <> 'removed'
"""


class Comparison:
    """A comparison of two lists, which another thread or a signal handler may stop."""

    def __init__(self) -> None:
        self._stopped = False
        self._connection: DuckDBPyConnection | None = None

    def stop(self) -> None:
        """Make the comparison raise LandingStopped, at once if it is running."""
        self._stopped = True
        if self._connection:
            self._connection.interrupt()

    def raise_if_stopped(self) -> None:
        if self._stopped:
            raise LandingStopped("stopped; nothing more was published")

    def changes(
        self, snapshots: Sequence[Path], columns: Sequence[str], scratch: Path
    ) -> Iterator[pa.RecordBatch]:
        """Yield the records of every id that differs, ordered by ``change``, then by the columns.

        ``added``: only the current snapshot has the id. ``removed``: only the previous one has it.
        ``changed``: both have it, but not the same records. All records of such an id are yielded:
        the current ones, or, if it was removed, the previous ones.

        :param snapshots: the current snapshot, and the previous one if there is one
        :param columns: the columns to compare, including ``id``
        :param scratch: where DuckDB writes what exceeds its memory limit
        :return: batches of ``change`` and the columns
        :raises WrongArgument: DuckDB is not installed
        :raises LandingStopped: ``stop`` was called
        :raises OSError: DuckDB ran out of memory or disk, or cannot read a snapshot
        """
        current, previous = _rows_of(snapshots[:1]), _rows_of(snapshots[-1:])
        if len(snapshots) == 1:
            previous += " WHERE false"
        sql = _CHANGES.format(columns=_quoted(columns), current=current, previous=previous)
        return self._run(sql, scratch)

    def replayed(
        self, changes: Sequence[Path], columns: Sequence[str], scratch: Path
    ) -> Iterator[pa.RecordBatch]:
        """Yield the records that result from applying changes in order to an empty list.

        ``scratch`` and the errors are those of the method ``changes``.

        :param changes: the partitions of changes, one for each day
        :param columns: the columns to yield
        """
        sql = _REPLAYED.format(columns=_quoted(columns), changes=_rows_of(changes))
        return self._run(sql, scratch)

    def _run(self, sql: str, scratch: Path) -> Iterator[pa.RecordBatch]:
        """Yield the result of a query, which is run again if it needs more memory than usual."""
        batches = self._read(sql, scratch)
        try:
            first = next(batches, None)
        except _OutOfMemory:
            batches = self._read(sql, scratch, MORE_MEMORY)
            first = next(batches, None)
        if first is not None:
            yield first
            yield from batches

    def _read(
        self, sql: str, scratch: Path, memory_limit: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        duckdb = _import_duckdb()
        is_old = not hasattr(duckdb.DuckDBPyRelation, "to_arrow_reader")
        usual, threads = (OLD_MEMORY_LIMIT, OLD_THREADS) if is_old else (MEMORY_LIMIT, THREADS)
        settings = _settings(scratch, memory_limit or usual, threads)
        try:
            with duckdb.connect(":memory:", config=settings) as self._connection:
                found = self._connection.sql(sql)  # runs when it is read
                self.raise_if_stopped()
                read = found.fetch_arrow_reader if is_old else found.to_arrow_reader
                for batch in read(_BATCH_ROWS):
                    self.raise_if_stopped()
                    yield batch
            return
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # Arrow's once it is read
            kind = type(error).__name__
            is_memory = str(error).startswith("Out of Memory Error")
        finally:
            self._connection = None
        self.raise_if_stopped()
        # Outside, because the text and context of the original error may quote a record.
        if is_memory:
            raise _OutOfMemory("DuckDB's OutOfMemoryException")
        raise OSError(f"DuckDB's {kind}")


class _OutOfMemory(OSError):
    """DuckDB needs more memory."""


def _import_duckdb() -> ModuleType:
    try:
        import duckdb
    except ImportError:
        install = "pip install 'mailpartner-provider[changes]'"
        raise WrongArgument(
            f"DuckDB, which compares snapshots, is not installed: {install}"
        ) from None
    return duckdb


def _settings(scratch: Path, memory_limit: str, threads: int) -> dict[str, Any]:
    return {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": str(scratch / "duckdb"),
        "preserve_insertion_order": True,  # without it, an old DuckDB loses the order of the result
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _rows_of(files: Sequence[Path]) -> str:
    """Return the SQL for the rows of files, without columns made from the names of folders."""
    literals = ", ".join("'{}'".format(str(file).replace("'", "''")) for file in files)
    return f"read_parquet([{literals}], hive_partitioning = false)"


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
