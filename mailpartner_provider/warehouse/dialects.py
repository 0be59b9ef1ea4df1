"""The SQL dialects of the warehouses: a table of their differences."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mailpartner_provider.errors import WrongArgument

_SPACES = "' ' || " + " || ".join(f"chr({code})" for code in (9, 10, 11, 12, 13, 160))


@dataclass(frozen=True)
class Dialect:
    """The SQL of one warehouse.

    In the templates, ``{table}`` is the table, ``{name}`` the table without its schema,
    ``{columns}`` the columns of the files, ``{file}`` a local copy of a file, ``{uri}`` the file in
    the lake, ``{staged}`` a temporary table with the columns ``{definitions}``, and ``{stage}`` a
    temporary stage for files.

    :param name: the name of the warehouse
    :param text: the type of texts
    :param insert: the statement that inserts the rows of a day's files
    :param sha256: the expression for the SHA-256 of ``{text}`` in hex
    :param instant: the type of instants in UTC
    :param parameter: the placeholder of a parameter
    :param now: the expression for the current instant
    :param begin: the statement that begins a transaction; None where none is needed
    :param lock: the statement that waits until other loads into the table have ended
    :param prepare: statements that create ``{staged}`` or ``{stage}``, before the transaction
    :param stage: the statement that copies one file there
    :param adds_account: whether staged files need the account as their first column
    :param trim: the expression for ``{text}`` without the characters ``{spaces}`` at both ends
    :param view: the beginning of the statement that creates or replaces ``{view}``
    :param insert_parameters: the parameters of ``insert``: ``account``, ``files``, or both; None
        for PostgreSQL's COPY, which reads the rows as CSV
    :param sources: the beginning of the URIs that the warehouse can read; empty: any
    :param has_indexes: whether tables can have indexes
    :param more_memory: the statement that raises the memory limit of the connection, after which a
        day that exceeded it is loaded again; None where there is no limit
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
    view: str = "CREATE OR REPLACE VIEW {view} AS"
    insert_parameters: tuple[str, ...] | None = ("account",)
    sources: str = ""
    has_indexes: bool = False
    more_memory: str | None = None

    def check_source(self, uri: str) -> None:
        """Check that the warehouse can read files with this URI.

        :raises WrongArgument: it cannot
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
        """Return the SQL expression for the SHA-256 of an address's normal form.

        The normal form has no white space at its ends and is in lower case. Engines lower-case two
        letters differently; these are replaced.
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
        more_memory="SET memory_limit = '256MB'",
    ),
    "postgres": Dialect(
        name="PostgreSQL",
        text="TEXT",
        instant="TIMESTAMPTZ",
        # Otherwise a transaction might not see what was loaded while it waited for the lock.
        begin="SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        lock="SELECT pg_advisory_xact_lock(hashtext('{name}'))",
        insert="COPY {table} (account, {columns}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')",
        insert_parameters=None,
        sha256="encode(sha256(convert_to({text}, 'UTF8')), 'hex')",
        # In a database with the locale C, lower() changes only ASCII letters.
        trim='trim(BOTH {spaces} FROM {text} COLLATE "und-x-icu")',
        has_indexes=True,
    ),
    "redshift": Dialect(
        name="Redshift",
        text="VARCHAR(65535)",
        now="GETDATE()",
        prepare=(  # DROP could drop somebody's permanent table of this name
            "CREATE TEMPORARY TABLE IF NOT EXISTS {staged} (\n{definitions}\n)",
            "DELETE FROM {staged}",
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
            "FORCE = TRUE"  # otherwise a file with the name of an earlier one is skipped
        ),
        insert_parameters=(),
        sha256="sha2({text}, 256)",
        trim="trim({text}, {spaces})",
        view="CREATE OR REPLACE VIEW {view} COPY GRANTS AS",  # otherwise nobody else may read it
    ),
}


def dialect_of(conn_type: str, conn_id: str) -> Dialect:
    """Return the dialect of a connection.

    :raises WrongArgument: its type is not in the table
    """
    if conn_type in DIALECTS:
        return DIALECTS[conn_type]
    raise WrongArgument(
        f"conn_id: connection {conn_id} is of type {conn_type!r}: expected one of "
        f"{', '.join(DIALECTS)}"
    )
