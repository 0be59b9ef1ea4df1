"""The table to load into: its columns, and the days that it already holds."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from mailpartner_provider.warehouse.request import CURRENT, LoadRequest
from mailpartner_provider.warehouse.session import Session
from mailpartner_provider.warehouse.statements import LOADED, Statements

#: Columns that some datasets have and others lack.
_DISTINCTIVE = {
    *changes_schema(snapshot_schema()).names,
    *created_schema("email_sha256").names,
    *snapshot_schema("email_hmac").names,
}


class Held(NamedTuple):
    """A day in the table: the digest that was recorded, if any, and the number of rows found."""

    sha256: str | None
    rows: int


class Owner(NamedTuple):
    """Where rows of a table come from."""

    destination: str
    dataset: str
    account: str


def create_table(session: Session, statements: Statements) -> None:
    """Create the table and ``<table>_loaded`` unless they exist.

    :raises WrongArgument: one of them exists with other columns
    :raises OSError: the warehouse failed
    """
    tables = {statements.table: statements.columns, statements.loaded: LOADED}
    found = {table: session.names(statements.names_of(table)) for table in tables}
    if None in found.values():
        begin(session, statements)
        for statement in statements.create():
            session.define("creating the table", statement)
        session.commit()
    for table, names in found.items():
        if names is not None:
            check_columns(table, names, tables[table])


def begin(session: Session, statements: Statements) -> None:
    """Begin a transaction, and wait until other loads into the table have ended.

    :raises OSError: the warehouse failed
    """
    session.begin()
    if lock := statements.lock():
        session.execute("waiting for other loads", lock)


def read_held(
    session: Session, statements: Statements, request: LoadRequest, account: str
) -> dict[date, Held]:
    """Return the days of an account that the table holds.

    The rows are counted, because somebody may have changed the table.

    :raises WrongArgument: the table was loaded with another dataset, or the account from another
        destination
    """
    found = session.fetch("SELECT", statements.read_loaded(), [request.destination, account])
    for row in found:
        check_owner(Owner(*row[:3]), request, account, f"delete the rows in {statements.loaded}")
    counted = session.fetch("SELECT", statements.count_days(), [account])
    session.rollback()
    rows_of = {day and _date(day): int(rows) for day, rows in counted}
    digests = {_date(row[3]): row[4] for row in found}
    of_no_day = rows_of.pop(None, 0)
    if request.dataset == CURRENT:
        rows_of = dict.fromkeys(digests, of_no_day)
    days = digests.keys() | rows_of.keys()
    return {day: Held(digests.get(day), rows_of.get(day, 0)) for day in days}


def check_columns(table: str, found: list[str], expected: pa.Schema) -> None:
    """Check that a table has the columns to load, and none of another dataset or email_mode.

    :raises WrongArgument: it does not
    """
    names = {*expected.names, "account"}
    missing = [name for name in sorted(names) if name not in found]
    foreign = [name for name in found if name in _DISTINCTIVE - names]
    problems = [f"lacks the column {name}" for name in missing]
    problems += [f"has the column {name}" for name in foreign]
    if problems:
        raise WrongArgument(
            f"table: {table} {' and '.join(problems)}: choose another table for this dataset and "
            "email_mode. Nothing was changed"
        )


def check_owner(found: Owner, request: LoadRequest, account: str, if_moved: str) -> None:
    """Check that what was loaded is of the destination, the dataset and the account to load.

    :param found: what was loaded from the same destination, or for the same account
    :param if_moved: what to do if the destination was moved
    :raises WrongArgument: it is not
    """
    if found.destination != request.destination:
        raise WrongArgument(
            f"account: {account} in the table {request.table} is of {found.destination}: set "
            f"another account for this source, or, if it has moved, {if_moved}"
        )
    if found.account != account:
        raise WrongArgument(
            f"account: {request.destination} is loaded into {request.table} as {found.account}: "
            f"set account={found.account!r}, or another table"
        )
    if found.dataset != request.dataset:
        raise WrongArgument(
            f"dataset: the table {request.table} holds {found.dataset!r} of {account}, not "
            f"{request.dataset!r}: choose another table"
        )


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value
