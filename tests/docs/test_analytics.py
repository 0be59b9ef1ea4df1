"""Every query of the analyst's page runs on a real lake, and gives the result shown there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from mailpartner_provider.testing.server import StandIn
from tests.docs.lake import make_lake

PAGE = (Path(__file__).parents[2] / "docs" / "analytics.md").read_text()
VIEWS, *QUERIES = re.findall(r"```sql\n(.*?)```\n\n?((?:\|.*\n)*)", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A folder with the lake in it, named as the page names it."""
    folder = tmp_path_factory.mktemp("analytics")
    with StandIn() as api, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_MAILPARTNER_DEFAULT", api.connection)
        make_lake(api, folder / "lake")
    return folder


def as_table(result: duckdb.DuckDBPyRelation) -> str:
    """Write a result as the page shows it."""
    rows = [result.columns, ["---"] * len(result.columns), *result.fetchall()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


@pytest.mark.parametrize(("query", "shown"), QUERIES)
def test_query(lake, monkeypatch, query, shown):
    """A query gives what is shown."""
    monkeypatch.chdir(lake)
    with duckdb.connect() as connection:
        connection.execute(VIEWS[0])

        assert as_table(connection.sql(query)) == shown


def test_all_shown():
    """There is a query for each question, and a result for each query."""
    assert len(QUERIES) >= PAGE.count("?\n")
    assert all(shown for _, shown in QUERIES)
