"""The analyst's page: the views that it sets the table with, and its questions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import duckdb

from docs import plots
from tests.support.project import PROJECT

DOCS = PROJECT / "docs"
IMAGES = DOCS / "images"
PAGE = (DOCS / "guides" / "analytics.md").read_text()


class Question(NamedTuple):
    """A question, its query, and what the page shows as the result: a table or a picture."""

    text: str
    query: str
    table: str
    picture: str


SET_TABLE, *QUESTIONS = (
    Question(*found)
    for found in re.findall(
        r"^## (.+)\n\n```sql\n([^`]+)```\n\n?((?:\|.*\n)*)(?:!\[.+\]\(../images/(\w+\.png)\))?",
        PAGE,
        re.M,
    )
)


def open_lake(folder: Path) -> duckdb.DuckDBPyConnection:
    """Set the table as the page does, in the folder where the lake lies."""
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{folder}'")
    connection.execute(SET_TABLE.query)
    return connection


def draw(question: Question, lake: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Draw the answer by the plot that is named as the picture is."""
    plot = getattr(plots, question.picture.removesuffix(".png"))
    result = lake.sql(question.query).df()
    plots.draw(plot, result, title=question.text, file=folder / question.picture)
