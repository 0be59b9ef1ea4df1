"""The parameters of a load, and what it reports."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, NamedTuple

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake.storage import Destination

CURRENT, CHANGES, SNAPSHOTS, RECEIPTS = DATASETS = ("current", "changes", "snapshots", "receipts")
KEEP, DELETE = REMOVED_DAYS = ("keep", "delete")

_TABLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*\.){0,2}([A-Za-z_][A-Za-z0-9_]*)")
_LONGEST = 63 - len("_loaded")  # PostgreSQL cuts names of more than 63 characters


class LoadRequest(NamedTuple):
    """The parameters of a load.

    :param account: the value of the column ``account``; None: the connection id in the newest
        receipt
    :param removed_days: what to do with days of the account that the lake no longer has
    :param history_view: the view to create; None: no view
    :param today: the present day in UTC; receipts of later days declare no current list
    """

    source: Destination
    dataset: str
    table: str
    account: str | None = None
    removed_days: str = KEEP
    history_view: str | None = None
    today: date = date.max

    @property
    def destination(self) -> str:
        """The URI of the source, without a slash at its end."""
        return self.source.uri("").rstrip("/")


@dataclass
class LoadReport:
    """The result of a load; ``days`` and ``rows`` count only what this load loaded.

    :param sources: the URIs of what the days were loaded from
    :param columns: the columns of the table and their types
    :param location: where the table has its files; None in a database
    """

    destination: str
    dataset: str
    table: str
    account: str
    days: int = 0
    rows: int = 0
    unchanged_days: int = 0
    removed_days: int = 0
    newest_day: str | None = None
    sources: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    location: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what users see of it: a flat dict of strings, numbers and nulls."""
        hidden = ("sources", "columns", "location")
        return {name: value for name, value in asdict(self).items() if name not in hidden}


def check_name(name: object, argument: str) -> str:
    """Return the name of a table or view; ``schema.`` or ``database.schema.`` may precede it.

    :raises WrongArgument: it is not such a name
    """
    found = _TABLE.fullmatch(name) if isinstance(name, str) else None
    if found and found[1] != "None" and len(found[1]) <= _LONGEST:  # "None": a template of nothing
        return found[0]
    raise WrongArgument(
        f"{argument}: expected a name such as 'unsubscribes' or 'mailpartner.unsubscribes', "
        f"without quotes and of at most {_LONGEST} characters, got {name!r}"
    )
