"""The SQL statements that load a table, in one dialect."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa

from mailpartner_provider.schemas import SNAPSHOT_DATE
from mailpartner_provider.warehouse.dialects import Dialect

ACCOUNT = pa.field("account", pa.string(), nullable=False)
#: The columns of ``<table>_loaded``, which records what was loaded.
LOADED = pa.schema(
    [
        pa.field("destination", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        ACCOUNT,
        SNAPSHOT_DATE,
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("row_count", pa.int64(), nullable=False),
        pa.field("loaded_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


@dataclass(frozen=True)
class Statements:
    """The statements for one table, which has the columns of the files and ``account``.

    :param columns: the columns of the files
    :param by_day: whether a load replaces the rows of one day; otherwise, all rows of the account
    """

    dialect: Dialect
    table: str
    columns: pa.Schema
    by_day: bool

    @property
    def loaded(self) -> str:
        """The name of the table that records what was loaded."""
        return f"{self.table}_loaded"

    def create(self) -> list[str]:
        """Return the statements that create the tables and the index unless they exist."""
        columns = self.columns.insert(0, ACCOUNT)
        statements = [_create(self.dialect, self.table, columns)]
        if self.dialect.has_indexes and self.by_day:
            index = f"{self._name}_by_day"
            statements.append(
                f"CREATE INDEX IF NOT EXISTS {index} ON {self.table} (account, snapshot_date)"
            )
        return [*statements, _create(self.dialect, self.loaded, LOADED)]

    def types(self) -> dict[str, str]:
        """Return the SQL type of each column of the table."""
        columns = self.columns.insert(0, ACCOUNT)
        return {column.name: self.dialect.type_of(column.type) for column in columns}

    def names_of(self, table: str) -> str:
        """Return the statement that selects all columns of a table, but no rows."""
        return f"SELECT * FROM {table} WHERE 1 = 0"

    def read_loaded(self) -> str:
        """Return the statement that reads what was loaded from a destination or for an account."""
        return self._bound(
            "SELECT destination, dataset, account, snapshot_date, sha256\n"
            f"FROM {self.loaded}\n"
            "WHERE destination = ? OR account = ?"
        )

    def count_days(self) -> str:
        """Return the statement that counts the rows of each day of an account."""
        day = "snapshot_date" if self.by_day else "NULL"
        group = "\nGROUP BY snapshot_date" if self.by_day else ""
        return self._bound(f"SELECT {day}, count(*)\nFROM {self.table}\nWHERE account = ?{group}")

    def lock(self) -> str | None:
        """Return the statement that waits until other loads into the table have ended.

        It also waits for loads into tables of the same name in other schemas, because a name
        without schema may be of any.
        """
        return self.dialect.lock and self.dialect.lock.format(name=self._name.lower())

    def delete(self) -> str:
        """Return the statement that deletes the rows to replace: see ``by_day``."""
        return self._bound(f"DELETE FROM {self.table}\nWHERE account = ?{self._of_day}")

    def count(self) -> str:
        """Return the statement that counts the rows that ``delete`` would delete."""
        return self._bound(f"SELECT count(*)\nFROM {self.table}\nWHERE account = ?{self._of_day}")

    def prepare(self) -> list[str]:
        """Return the statements that create a temporary stage or table for files."""
        return [self._filled(template) for template in self.dialect.prepare]

    def stage(self, file: str, uri: str) -> str:
        """Return the statement that copies a file there; empty if the dialect needs none."""
        template = self.dialect.stage or ""
        return self._filled(template, file=_quoted(file), uri=_quoted(unquote(uri)))

    def insert(self) -> str:
        """Return the statement that inserts the rows of the files."""
        return self._filled(self.dialect.insert)

    def insert_values(self) -> str:
        """Return the statement that inserts one row."""
        names = ["account", *self.columns.names]
        values = ", ".join("?" * len(names))
        return self._bound(f"INSERT INTO {self.table} ({', '.join(names)})\nVALUES ({values})")

    def forget(self) -> str:
        """Return the statement that deletes the record of the rows to replace from ``loaded``."""
        return self._bound(f"DELETE FROM {self.loaded}\nWHERE account = ?{self._of_day}")

    def remember(self) -> str:
        """Return the statement that records in ``loaded`` what was loaded."""
        return self._bound(
            f"INSERT INTO {self.loaded} ({', '.join(LOADED.names)})\n"
            f"VALUES (?, ?, ?, ?, ?, ?, {self.dialect.now})"
        )

    @property
    def _name(self) -> str:
        return self.table.rpartition(".")[2]

    @property
    def _of_day(self) -> str:
        return " AND snapshot_date = ?" if self.by_day else ""

    def _filled(self, template: str, **more: str) -> str:
        return template.format(
            table=self.table,
            columns=", ".join(self.columns.names),
            definitions=_definitions(self.dialect, self.columns),
            staged=f"{self._name}_staged",
            stage=f"{self._name}_stage",
            **more,
        )

    def _bound(self, statement: str) -> str:
        return statement.replace("?", self.dialect.parameter)


def _create(dialect: Dialect, table: str, columns: pa.Schema) -> str:
    return f"CREATE TABLE IF NOT EXISTS {table} (\n{_definitions(dialect, columns)}\n)"


def _definitions(dialect: Dialect, columns: pa.Schema) -> str:
    return ",\n".join(
        f"    {column.name} {dialect.type_of(column.type)}{'' if column.nullable else ' NOT NULL'}"
        for column in columns
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")
