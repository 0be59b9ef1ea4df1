"""The dialects of SQL that tables are loaded in: what differs from one warehouse to another."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mailpartner_provider.errors import WrongArgument

_SPACES = "' ' || " + " || ".join(f"chr({code})" for code in (9, 10, 11, 12, 13, 160))


@dataclass(frozen=True)
class Dialect:
    """What differs from one warehouse to another.

    In the templates, ``{table}`` is the table, ``{columns}`` the columns of the files, ``{file}`` a
    file on this machine, ``{uri}`` its place in the lake, ``{staged}`` a temporary table with the
    ``{definitions}`` of the columns, and ``{stage}`` a temporary place for files.

    :param name: the name of the warehouse
    :param text: the type of texts
    :param insert: inserts the rows of a day's files
    :param sha256: the SHA-256, in hex, of ``{text}``
    :param instant: the type of instants in UTC
    :param parameter: a parameter of a statement
    :param now: the present instant
    :param begin: begins a transaction; None where the first statement does
    :param lock: waits for the end of other loads into the table
    :param prepare: makes a temporary place, before the transaction begins
    :param stage: copies one file there
    :param adds_account: whether staged files need the account as their first column
    :param trim: ``{text}`` without the characters ``{spaces}`` at both ends
    :param insert_parameters: the parameters of ``insert``, of ``account`` and ``files``; None where
        it is PostgreSQL's COPY, which takes no parameters but the rows
    :param sources: how the URIs of files begin that it can read
    :param has_indexes: whether tables can have indexes
    """

    name: str
    text: str
    insert: str
    sha256: str
    instant: str = "TIMESTAMP"
    parameter: str = "%s"
    now: str = "CURRENT_TIMESTAMP"
    begin: str | None = None
    lock: str | None = None
    prepare: tuple[str, ...] = ()
    stage: str | None = None
    adds_account: bool = False
    trim: str = "trim(BOTH {spaces} FROM {text})"
    insert_parameters: tuple[str, ...] | None = ("account",)
    sources: str = ""
    has_indexes: bool = False

    def check_source(self, uri: str) -> None:
        """Check that files can be read where they lie.

        :raises WrongArgument: they cannot
        """
        if not uri.startswith(self.sources):
            raise WrongArgument(
                f"source: {self.name} reads files from {self.sources} only, not from {uri}"
            )

    def type_of(self, column: pa.DataType) -> str:
        """Return the SQL type of a column of a file."""
        return {
            pa.int64(): "BIGINT",
            pa.float64(): "DOUBLE PRECISION",
            pa.bool_(): "BOOLEAN",
            pa.string(): self.text,
            pa.date32(): "DATE",
            pa.timestamp("us", tz="UTC"): self.instant,
        }[column]

    def email_hash(self, email: str) -> str:
        """Return the SHA-256 of an address's normal form, as SQL.

        The normal form has no white space at its ends, and is in lower case. Engines disagree on
        two letters, which are replaced.
        """
        trimmed = self.trim.format(spaces=_SPACES, text=email)
        text = f"replace(lower(replace({trimmed}, 'İ', 'i')), 'ς', 'σ')"
        return self.sha256.format(text=text)


#: By Airflow's connection type.
DIALECTS = {
    "duckdb": Dialect(
        name="DuckDB",
        text="VARCHAR",
        instant="TIMESTAMPTZ",
        parameter="?",
        begin="BEGIN",
        insert=(
            "INSERT INTO {table} (account, {columns})\n"
            "SELECT ?, {columns}\n"
            "FROM read_parquet(?, hive_partitioning = false)"
        ),
        insert_parameters=("account", "files"),
        sha256="sha256({text})",
    ),
    "postgres": Dialect(
        name="PostgreSQL",
        text="TEXT",
        instant="TIMESTAMPTZ",
        lock="SELECT pg_advisory_xact_lock(hashtext('{table}'))",
        insert="COPY {table} (account, {columns}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')",
        insert_parameters=None,
        sha256="encode(sha256(convert_to({text}, 'UTF8')), 'hex')",
        # In a database of the locale C, lower knows only ASCII.
        trim='trim(BOTH {spaces} FROM {text} COLLATE "und-x-icu")',
        has_indexes=True,
    ),
    "redshift": Dialect(
        name="Redshift",
        text="VARCHAR(65535)",
        now="GETDATE()",
        prepare=(
            "DROP TABLE IF EXISTS {staged}",
            "CREATE TEMPORARY TABLE {staged} (\n{definitions}\n)",
        ),
        sources="s3://",
        stage="COPY {staged}\nFROM '{uri}'\nIAM_ROLE DEFAULT\nFORMAT AS PARQUET",
        insert="INSERT INTO {table} (account, {columns})\nSELECT %s, {columns}\nFROM {staged}",
        sha256="sha2({text}, 256)",
    ),
    "snowflake": Dialect(
        name="Snowflake",
        text="VARCHAR",
        instant="TIMESTAMP_LTZ",
        begin="BEGIN",
        prepare=("CREATE OR REPLACE TEMPORARY STAGE {stage}",),
        stage="PUT 'file://{file}' @{stage} AUTO_COMPRESS = FALSE",
        adds_account=True,
        insert=(
            "COPY INTO {table}\n"
            "FROM @{stage}\n"
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)\n"
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE\n"
            "FORCE = TRUE"  # also a file of a name that was loaded before
        ),
        insert_parameters=(),
        sha256="sha2({text}, 256)",
        trim="trim({text}, {spaces})",
    ),
}


def dialect_of(conn_type: str, conn_id: str) -> Dialect:
    """Return the dialect of a connection.

    :raises WrongArgument: it is not of a warehouse that can be loaded
    """
    if conn_type in DIALECTS:
        return DIALECTS[conn_type]
    raise WrongArgument(
        f"conn_id: connection {conn_id} is of type {conn_type!r}: expected one of "
        f"{', '.join(DIALECTS)}"
    )
