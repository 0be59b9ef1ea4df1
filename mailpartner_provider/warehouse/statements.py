"""The statements that load a table, written for one dialect; what they delete is never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa

from mailpartner_provider.warehouse.dialects import Dialect

#: What was loaded, in a table beside the table.
LOADED = pa.schema(
    [
        pa.field("destination", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("account", pa.string(), nullable=False),
        pa.field("snapshot_date", pa.date32(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("row_count", pa.int64(), nullable=False),
        pa.field("loaded_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
ACCOUNT = pa.field("account", pa.string(), nullable=False)


@dataclass(frozen=True)
class Statements:
    """The statements for one table, whose rows have an account beside the columns of the files.

    :param columns: the columns of the files
    :param by_day: whether the rows of a day are replaced, and not all rows of the account
    """

    dialect: Dialect
    table: str
    columns: pa.Schema
    by_day: bool

    @property
    def loaded(self) -> str:
        """The table of what was loaded."""
        return f"{self.table}_loaded"

    def create(self) -> list[str]:
        """Return the statements that create what does not exist."""
        columns = self.columns.insert(0, ACCOUNT)
        statements = [_create(self.dialect, self.table, columns)]
        if self.dialect.has_indexes and self.by_day:
            index = f"{self.table.rpartition('.')[2]}_by_day"
            statements.append(
                f"CREATE INDEX IF NOT EXISTS {index} ON {self.table} (account, snapshot_date)"
            )
        return [*statements, _create(self.dialect, self.loaded, LOADED)]

    def names_of(self, table: str) -> str:
        """Return the statement whose result has the columns of a table, and no rows."""
        return f"SELECT * FROM {table} WHERE 1 = 0"

    def read_loaded(self) -> str:
        """Return the statement that reads what was loaded for a destination, or for an account."""
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
        """Return the statement that waits for the end of other loads into the table."""
        return self.dialect.lock and self.dialect.lock.format(table=self.table)

    def delete(self) -> str:
        """Return the statement that deletes the rows of an account, and a day, if by day."""
        return self._bound(f"DELETE FROM {self.table}\nWHERE account = ?{self._of_day}")

    def count(self) -> str:
        """Return the statement that counts the rows which ``delete`` would delete."""
        return self._bound(f"SELECT count(*)\nFROM {self.table}\nWHERE account = ?{self._of_day}")

    def prepare(self) -> list[str]:
        """Return the statements that make a temporary place for files."""
        return [self._filled(template) for template in self.dialect.prepare]

    def stage(self, file: str, uri: str) -> str:
        """Return the statement that copies a file there; empty if there is no such place."""
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
        """Return the statement that removes an account, and a day, if by day, from ``loaded``."""
        return self._bound(f"DELETE FROM {self.loaded}\nWHERE account = ?{self._of_day}")

    def remember(self) -> str:
        """Return the statement that notes what was loaded."""
        return self._bound(
            f"INSERT INTO {self.loaded} ({', '.join(LOADED.names)})\n"
            f"VALUES (?, ?, ?, ?, ?, ?, {self.dialect.now})"
        )

    @property
    def _of_day(self) -> str:
        return " AND snapshot_date = ?" if self.by_day else ""

    def _filled(self, template: str, **more: str) -> str:
        name = self.table.rpartition(".")[2]
        return template.format(
            table=self.table,
            columns=", ".join(self.columns.names),
            definitions=_definitions(self.dialect, self.columns),
            staged=f"{name}_staged",
            stage=f"{name}_stage",
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
