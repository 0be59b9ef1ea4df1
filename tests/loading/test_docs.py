"""The statements in docs/guides/loading.md are those that a load runs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.hooks.warehouse import open_warehouse
from mailpartner_provider.schemas import changes_schema, snapshot_schema
from mailpartner_provider.warehouse.dialects import DIALECTS
from mailpartner_provider.warehouse.history import history_view
from mailpartner_provider.warehouse.loading import load
from mailpartner_provider.warehouse.request import LoadRequest
from mailpartner_provider.warehouse.session import Session, Stop
from mailpartner_provider.warehouse.statements import Statements
from tests.support.changes import ANNE
from tests.support.days import today
from tests.support.project import PROJECT
from tests.support.snapshots import put_snapshot
from tests.support.warehouses import CONN_ID

PAGE = (PROJECT / "docs" / "guides" / "loading.md").read_text()
ENGINE = pytest.mark.engine


class Recording(Session):
    """A session that notes the statements that change something."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.statements: list[str] = []

    def _note(self, statement: str) -> None:
        if not statement.startswith("SELECT *") and "OR account" not in statement:
            self.statements.append(re.sub(r"file:///[^']*/", "file:///tmp/", statement))

    def execute(self, what: str, statement: str, *parameters: Any) -> None:
        self._note(statement)
        super().execute(what, statement, *parameters)

    def define(self, what: str, statement: str) -> None:
        self._note(statement)
        super().define(what, statement)

    def copy(self, what: str, statement: str, chunks: Any) -> None:
        self._note(statement)
        super().copy(what, statement, chunks)

    def commit(self) -> None:
        self.statements.append("COMMIT")
        super().commit()


def section(heading: str) -> str:
    """Return the SQL under a heading of the page."""
    text = PAGE.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    (block,) = re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)
    return block


def script(statements: list[str]) -> str:
    return "\n\n".join(f"{statement};" for statement in statements)


def recorded(lake: Any, server: Any) -> str:
    """Return the statements of the first load of a list."""
    put_snapshot(lake.folder, today(), [ANNE])
    dialect = DIALECTS[server.connection["conn_type"]]
    with open_warehouse(CONN_ID, None) as (connection, cursor):
        session = Recording(connection, cursor, CONN_ID, dialect.begin, Stop())
        request = LoadRequest(open_destination(str(lake)), "current", "unsubscribes")
        load(request, session, dialect, Stop())
    return script(session.statements)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("DuckDB", "duckdb_file"),
        pytest.param("PostgreSQL", "postgres", marks=ENGINE),
        pytest.param("Snowflake", "snowflake", marks=ENGINE),
    ],
)
def test_statements(request, lake, heading, kind):
    """The page shows every statement that the first load of a list runs."""
    assert section(heading) == recorded(lake, request.getfixturevalue(kind))


def of_redshift() -> list[str]:
    """Return the statements for Redshift, which no test can run."""
    statements = Statements(DIALECTS["redshift"], "unsubscribes", snapshot_schema(), by_day=False)
    return [
        *statements.create(),
        "COMMIT",
        statements.count_days(),
        *statements.prepare(),
        statements.stage("", "s3://lake/unsubscribes/dt=2026-11-23/part-00000.parquet"),
        statements.delete(),
        statements.insert(),
        statements.count(),
        statements.forget(),
        statements.remember(),
        "COMMIT",
    ]


def test_redshift():
    """The page shows the statements for Redshift."""
    assert section("Redshift") == script(of_redshift())


@ENGINE
def test_staged_by_redshift(postgres):
    """A permanent table with the name of Redshift's temporary one stays as it is, as far as
    PostgreSQL, from which Redshift comes, can tell."""
    statements = Statements(DIALECTS["redshift"], "unsubscribes", snapshot_schema(), by_day=False)
    postgres.query("CREATE TABLE unsubscribes_staged AS SELECT 'of somebody' AS note")

    with open_warehouse(CONN_ID, None) as (connection, cursor):
        for _ in range(2):
            for statement in statements.prepare():
                cursor.execute(statement)
            cursor.execute(
                "INSERT INTO unsubscribes_staged VALUES (1, 'a', NULL, '2026-11-23', '')"
            )
        assert cursor.execute("SELECT count(*) FROM unsubscribes_staged").fetchone() == (1,)
        connection.commit()

    assert [("of somebody",)] == postgres.query("SELECT * FROM unsubscribes_staged")


def view(conn_type: str, table: str = "unsubscribe_changes") -> str:
    columns = changes_schema(snapshot_schema())
    return history_view(Statements(DIALECTS[conn_type], table, columns, by_day=True), "history")


def test_history():
    """The page shows the view of the intervals."""
    assert section("The view") == f"{view('duckdb')};"


def test_grants():
    """Snowflake keeps the grants of a view only if it is told to; other databases always do."""
    assert view("snowflake").startswith("CREATE OR REPLACE VIEW history COPY GRANTS AS\n")


@ENGINE
@pytest.mark.parametrize("conn_type", ["redshift", "snowflake"])
def test_dialect(conn_type):
    """What cannot be run is at least of its dialect."""
    import sqlglot
    from sqlglot import exp

    statements = Statements(DIALECTS[conn_type], "unsubscribes", snapshot_schema(), by_day=True)
    texts = [
        *statements.create(),
        *statements.prepare(),
        statements.stage("/tmp/file", "s3://lake/file"),
        statements.delete().replace("%s", "1"),
        statements.insert().replace("%s", "'hats'"),
        statements.insert_values().replace("%s", "1"),
        statements.remember().replace("%s", "1"),
        view(conn_type),
    ]
    parsed = [sqlglot.parse_one(text, dialect=conn_type) for text in texts]

    assert not [each for each in parsed if isinstance(each, exp.Command)]


def test_hook_of_redshift(monkeypatch):
    """Redshift is opened by its own hook, which commits when it is told to."""
    from mailpartner_provider.compat import BaseHook

    connection = {"conn_type": "redshift", "extra": {}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))

    hook = BaseHook.get_hook(CONN_ID)

    assert "RedshiftSQLHook" == type(hook).__name__
    assert hook.supports_autocommit
