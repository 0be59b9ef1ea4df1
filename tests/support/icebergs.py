"""An Iceberg catalog in a SQLite file, and the tables that the operator loads there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailpartner_provider.operators.unsubscribe_to_iceberg import UnsubscribeToIcebergOperator

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

CONN_ID = "lakehouse"
NAME = "mailpartner.unsubscribes"


class Iceberg:
    """A catalog with the namespace ``mailpartner``; its tables lie in a folder.

    :param name: of the catalog, which is the id of the connection
    """

    def __init__(self, properties: dict[str, str], name: str = CONN_ID) -> None:
        self.name = name
        self.properties = properties
        self.connection = {"conn_type": "iceberg", "extra": properties}
        self.catalog.create_namespace("mailpartner")

    @property
    def catalog(self) -> Catalog:
        from pyiceberg.catalog import load_catalog

        return load_catalog(self.name, **self.properties)

    def table(self, name: str = NAME) -> Table:
        return self.catalog.load_table(name)

    def rows(self, name: str = NAME, **scan: Any) -> list[tuple]:
        """Read the rows of a table, of any snapshot; none if there is no table."""
        if not self.catalog.table_exists(name):
            return []
        found = self.table(name).scan(**scan).to_arrow().to_pylist()
        return [tuple(row.values()) for row in found]

    def files(self, name: str = NAME) -> list[Path]:
        """List all data files that lie in the folder of a table."""
        folder = Path(urlsplit(self.table(name).location()).path)
        return sorted(folder.glob("data/**/*.parquet"))

    def summaries(self, name: str = NAME) -> list[dict[str, str]]:
        """Return what each snapshot says of itself, the oldest first."""
        return [
            {"operation": each.summary.operation.value, **each.summary.additional_properties}
            for each in self.table(name).snapshots()
        ]


def loading(source: Any, **arguments: Any) -> UnsubscribeToIcebergOperator:
    """Return the operator that loads a destination."""
    arguments = {"table": NAME, "iceberg_conn_id": CONN_ID, "task_id": "load", **arguments}
    return UnsubscribeToIcebergOperator(source=str(source), **arguments)


def load(source: Any, **arguments: Any) -> dict[str, Any]:
    """Load a destination as a task does; return the report."""
    return loading(source, **arguments).execute({})
