"""Connections to Iceberg catalogs, by the hook of Airflow's provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.hooks.warehouse import connection_type
from mailpartner_provider.words import first_line

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

ICEBERG = "iceberg"


def open_catalog(conn_id: str) -> Catalog:
    """Open an Iceberg catalog by its Airflow connection.

    :raises WrongArgument: there is no such connection, it is of another type, or something that it
        needs is not set or not installed
    :raises OSError: the catalog cannot be reached
    """
    conn_type = connection_type(conn_id, "iceberg_conn_id")
    if conn_type != ICEBERG:
        raise WrongArgument(
            f"iceberg_conn_id: connection {conn_id} is of type {conn_type!r}: expected {ICEBERG!r}"
        )
    try:
        from airflow.providers.apache.iceberg.hooks.iceberg import IcebergHook
        from pyiceberg.exceptions import NotInstalledError
    except ImportError:
        install = "pip install 'mailpartner-provider[iceberg]'"
        raise WrongArgument(f"iceberg_conn_id: Iceberg is not installed: {install}") from None
    try:
        return IcebergHook(conn_id).catalog
    except (NotInstalledError, ValueError) as error:
        raise WrongArgument(
            f"iceberg_conn_id: correct the connection {conn_id}, or install what it needs ({error})"
        ) from None
    except Exception as error:  # of any kind of catalog
        raise OSError(f"connection {conn_id}: cannot connect: {first_line(error)}") from None
