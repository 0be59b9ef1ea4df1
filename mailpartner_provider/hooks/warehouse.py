"""Connections to warehouses: by the hooks of Airflow's providers, or directly for DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mailpartner_provider.compat import AirflowNotFoundException, BaseHook
from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.hooks.connection import missing
from mailpartner_provider.words import first_line

DUCKDB = "duckdb"

_IN_MEMORY = ":memory:"  # gone when the task ends
_MEMORY_LIMIT = "60MB"  # beyond it, DuckDB writes to files beside the database
_THREADS = 2  # each fills row groups of its own in memory


class Warehouse(NamedTuple):
    """An open connection to a warehouse, and its cursor."""

    connection: Any
    cursor: Any


def connection_type(conn_id: str, argument: str = "conn_id") -> str:
    """Return the type of an Airflow connection.

    :param argument: the name of the argument, which errors begin with
    :raises WrongArgument: there is no such connection
    """
    try:
        conn_type: str = BaseHook.get_connection(conn_id).conn_type
    except AirflowNotFoundException:
        raise WrongArgument(f"{argument}: the connection {conn_id} {missing(conn_id)}") from None
    return conn_type


@contextmanager
def open_warehouse(conn_id: str, hook_params: Mapping[str, Any] | None) -> Iterator[Warehouse]:
    """Open a warehouse by its Airflow connection; close it afterwards.

    A connection of the type ``duckdb`` names the database file as its host, or as the path of its
    URI. All others are opened by the hook of their provider, which is a ``DbApiHook``.

    :raises WrongArgument: the provider is not installed, or DuckDB is not
    :raises OSError: the warehouse cannot be reached
    """
    connection = BaseHook.get_connection(conn_id)
    if connection.conn_type == DUCKDB:
        with closing(_open(conn_id, lambda: _connect_duckdb(connection))) as opened:
            yield Warehouse(opened, opened)  # a cursor would have its own transaction
        return
    try:
        hook = connection.get_hook(hook_params=dict(hook_params or {}))
    except Exception as error:  # many kinds; their texts name the type of the connection
        raise WrongArgument(
            f"conn_id: the hook of {conn_id} cannot be made: install the provider of its type, or "
            f"correct hook_params ({error})"
        ) from None
    with closing(_open(conn_id, hook.get_conn)) as opened:
        if hook.supports_autocommit:
            hook.set_autocommit(opened, False)
        with closing(opened.cursor()) as cursor:
            yield Warehouse(opened, cursor)


def openlineage_name(
    conn_id: str, hook_params: Mapping[str, Any] | None, table: str
) -> tuple[str, str] | None:
    """Return the namespace and the name of a table in OpenLineage; None if its hook has none.

    They are those of ``SQLExecuteQueryOperator``, and for DuckDB, which has no hook, those of dbt.
    """
    from airflow.providers.openlineage.sqlparser import SQLParser

    connection = BaseHook.get_connection(conn_id)
    *parents, name = table.lower().split(".")
    if connection.conn_type == DUCKDB:
        file, _, _ = str(_duckdb_file(connection)).partition("?")  # a token may follow
        return f"duckdb://{file}", _full_name(Path(file).stem, parents or ["main"], name)
    hook = connection.get_hook(hook_params=dict(hook_params or {}))
    info = hook.get_openlineage_database_info(connection)
    if info is None:
        return None
    parents = parents or [hook.get_openlineage_default_schema()]
    full_name = _full_name(info.database, parents, name)
    if info.is_uppercase_names:
        full_name = full_name.upper()
    return SQLParser.create_namespace(info), full_name


def _open(conn_id: str, connect: Callable[[], Any]) -> Any:
    try:
        return connect()
    except WrongArgument:
        raise
    except Exception as error:
        cause = first_line(error)
    raise OSError(f"connection {conn_id}: cannot connect: {cause}")


def _connect_duckdb(connection: Any) -> Any:
    try:
        import duckdb
    except ImportError:
        install = "pip install 'mailpartner-provider[changes]'"
        raise WrongArgument(f"conn_id: DuckDB is not installed: {install}") from None
    file = _duckdb_file(connection)
    if not file or file.startswith(_IN_MEMORY):
        conn_id = connection.conn_id
        raise WrongArgument(f"conn_id: set the host of {conn_id} to the database file")
    database = duckdb.connect(file)
    # DuckDB keeps written blocks in memory up to the limit. Tables have no order to preserve.
    database.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
    database.execute(f"SET threads = {_THREADS}")
    database.execute("SET TimeZone = 'UTC'")  # for columns of the type TIMESTAMP
    database.execute("SET preserve_insertion_order = false")
    return database


def _full_name(database: str | None, parents: list[str], name: str) -> str:
    """Return the name of a table after its schema, and after its database if that is not there."""
    databases = [] if len(parents) == 2 else [database]
    return ".".join(filter(None, [*databases, *parents, name]))


def _duckdb_file(connection: Any) -> str | None:
    return connection.host or (f"/{connection.schema}" if connection.schema else None)
