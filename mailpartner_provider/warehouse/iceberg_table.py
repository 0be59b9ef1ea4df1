"""The Iceberg table to load into: its columns, its partitions and its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.expressions import EqualTo
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    DateType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from mailpartner_provider.errors import MailPartnerError, WrongArgument
from mailpartner_provider.schemas import SNAPSHOT_DATE
from mailpartner_provider.warehouse.statements import ACCOUNT
from mailpartner_provider.warehouse.target import check_columns
from mailpartner_provider.words import first_line

_PARTITIONED_BY = (ACCOUNT.name, SNAPSHOT_DATE.name)
_TYPES: dict[pa.DataType, IcebergType] = {
    pa.int64(): LongType(),
    pa.string(): StringType(),
    pa.date32(): DateType(),
    pa.timestamp("us", tz="UTC"): TimestamptzType(),
}
_EPOCH = date(1970, 1, 1)
_TIDY = {
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
}


class HeldFile(NamedTuple):
    """A file of the table: its day, its name, and whether it is read as it was written."""

    day: date
    file: DataFile
    is_whole: bool


@contextmanager
def naming_catalog(conn_id: str, what: str) -> Iterator[None]:
    """Raise the errors of a catalog or a store as OSError, with the connection in the text.

    Conflicts with another commit are raised as they are.
    """
    try:
        yield
    except (MailPartnerError, CommitFailedException, ValidationException):
        raise
    except Exception as error:  # of any catalog and store, without rows
        raise OSError(f"connection {conn_id}: {what} failed: {first_line(error)}") from None


def open_table(catalog: Catalog, name: str, columns: pa.Schema, conn_id: str) -> Table:
    """Open the table, or create it with the columns of the files and ``account``.

    :raises WrongArgument: there is no such namespace, or the table has other columns or partitions
    """
    with naming_catalog(conn_id, f"opening the table {name}"):
        try:
            table = catalog.load_table(name)
        except (NoSuchTableError, NoSuchNamespaceError):
            table = _create(catalog, name, columns.insert(0, ACCOUNT), conn_id)
    check_columns(name, table.schema().column_names, columns)
    _check_types(table, name, columns.insert(0, ACCOUNT))
    _check_partitions(table, name)
    return table


def read_held_files(table: Table, account: str) -> list[HeldFile]:
    """Return the files of an account.

    :raises WrongArgument: one is of an earlier partitioning, and may have rows of other days
    """
    spec = table.spec()
    position = _partition_names(table, spec).index(SNAPSHOT_DATE.name)
    found = []
    for task in table.scan(row_filter=EqualTo(ACCOUNT.name, account)).plan_files():
        if task.file.spec_id != spec.spec_id:
            raise WrongArgument(
                f"table: {'.'.join(table.name())} has files that are partitioned otherwise: "
                "choose another table, or delete those of this account"
            )
        of_day = _EPOCH + timedelta(days=task.file.partition[position])
        found.append(HeldFile(of_day, task.file, is_whole=not task.delete_files))
    return found


def with_ids(columns: pa.Schema, table: Table) -> pa.Schema:
    """Return the columns of a copy, with the table's field ids, by which readers find them."""
    ids = {field.name: str(field.field_id) for field in table.schema().fields}
    return pa.schema(
        [
            column.with_metadata({"PARQUET:field_id": ids[column.name]})
            for column in columns.insert(0, ACCOUNT)
        ]
    )


def describe_file(table: Table, copy: Path, location: str) -> DataFile:
    """Return the entry of a file for the table's metadata; addresses are not in its statistics.

    :param copy: a local copy of the file
    """
    schema = table.schema()
    properties = {**table.properties, **_private(pq.read_schema(copy))}
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=pq.read_metadata(copy),
        stats_columns=compute_statistics_plan(schema, properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=statistics.partition(table.spec(), schema),
        file_size_in_bytes=copy.stat().st_size,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _create(catalog: Catalog, name: str, columns: pa.Schema, conn_id: str) -> Table:
    fields = [
        NestedField(number, column.name, _TYPES[column.type], required=not column.nullable)
        for number, column in enumerate(columns, 1)
    ]
    partitions = [
        PartitionField(columns.names.index(column) + 1, number, IdentityTransform(), column)
        for number, column in enumerate(_PARTITIONED_BY, 1000)
    ]
    properties = {**_TIDY, **_private(columns)}
    try:
        return catalog.create_table(
            name, Schema(*fields), partition_spec=PartitionSpec(*partitions), properties=properties
        )
    except NoSuchNamespaceError:
        namespace = name.rpartition(".")[0]
        raise WrongArgument(
            f"table: the catalog of {conn_id} has no namespace {namespace}: create it, or correct "
            "table"
        ) from None
    except TableAlreadyExistsError:  # since a moment ago
        return catalog.load_table(name)


def _private(columns: pa.Schema) -> dict[str, str]:
    """Return the properties that keep values of texts out of the table's metadata."""
    public = {*_PARTITIONED_BY, "change"}
    return {
        f"write.metadata.metrics.column.{column.name}": "counts"
        for column in columns
        if column.type == pa.string() and column.name not in public
    }


def _check_types(table: Table, name: str, columns: pa.Schema) -> None:
    expected = {column.name: column for column in columns}
    problems = []
    for field in table.schema().fields:
        column = expected.get(field.name)
        if column is not None and field.field_type != _TYPES[column.type]:
            problems.append(f"{field.name} as {field.field_type}, not {_TYPES[column.type]}")
        elif field.required and (column is None or column.nullable):
            problems.append(f"{field.name} as required")
    if problems:
        raise WrongArgument(
            f"table: {name} has {' and '.join(problems)}: choose another table, or change its "
            "columns. Nothing was changed"
        )


def _check_partitions(table: Table, name: str) -> None:
    spec = table.spec()
    columns = _partition_names(table, spec)
    found = [
        f"{each.transform}({column})" for each, column in zip(spec.fields, columns, strict=True)
    ]
    if sorted(found) != [f"identity({column})" for column in _PARTITIONED_BY]:
        raise WrongArgument(
            f"table: {name} is partitioned by {', '.join(found) or 'nothing'}: choose another "
            f"table, or partition it by {' and '.join(_PARTITIONED_BY)}. Nothing was changed"
        )


def _partition_names(table: Table, spec: PartitionSpec) -> list[str]:
    return [str(table.schema().find_column_name(field.source_id)) for field in spec.fields]
