"""Every query of the analyst's page runs on a real lake, and gives the result shown there."""

from __future__ import annotations

import duckdb
import pytest

from docs import plots
from tests.project.docs.lake import make_lake
from tests.project.docs.page import IMAGES, PAGE, QUESTIONS, draw, open_lake

TABLES = [question for question in QUESTIONS if question.table]
PICTURES = [question for question in QUESTIONS if question.picture]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A connection to the lake, in which the table is set."""
    folder = tmp_path_factory.mktemp("analytics")
    make_lake(folder / "lake")
    with open_lake(folder) as connection:
        yield connection


def as_table(result: duckdb.DuckDBPyRelation) -> str:
    """Write a result as the page shows it."""
    rows = [result.columns, ["---"] * len(result.columns), *result.fetchall()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


@pytest.mark.parametrize("question", TABLES, ids=lambda question: question.text)
def test_table(lake, question):
    """A query gives what is shown."""
    assert as_table(lake.sql(question.query)) == question.table


@pytest.mark.parametrize("question", PICTURES, ids=lambda question: question.text)
def test_picture(lake, tmp_path, question):
    """A picture shows its question and what the query gives; if it does not, `make plots` does."""
    draw(question, lake, tmp_path)

    shown, drawn = IMAGES / question.picture, tmp_path / question.picture
    assert plots.remembered(drawn) == plots.remembered(shown)
    assert shown.stat().st_size < 60_000


def test_all_shown():
    """There is a query for each question, and a table or a picture for each query."""
    assert len(QUESTIONS) >= PAGE.count("?\n")
    assert len(QUESTIONS) == PAGE.count("```sql") - 1
    assert all(bool(question.table) != bool(question.picture) for question in QUESTIONS)
