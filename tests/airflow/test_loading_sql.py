"""The SQL of the examples that load: what can be known of it without an account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailpartner_provider.schemas import snapshot_schema
from tests.support.loading import HOSTILE, LOADING, names_of
from tests.support.project import EXAMPLES
from tests.support.runs import load

SNAPSHOT = snapshot_schema()


@pytest.mark.engine
class TestStatements:
    """What can be said of a warehouse's SQL without an account there: it is of its dialect, and
    does what it should in the order in which it should."""

    receipt = {"snapshot_date": "2026-11-23", "uri": "gs://lake/part-00000.parquet", "rows": 3}

    @pytest.fixture(autouse=True)
    def variable(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_BUCKET", "lake")

    def statements(self, example: str, **members: Any) -> list[Any]:
        """Return an example's SQL for a receipt, statement by statement, as sqlglot reads it."""
        import sqlglot
        from airflow.providers.google.cloud.hooks.bigquery import _bind_parameters as bound

        names, receipt = names_of(example), {**self.receipt, **members}
        if example == "mailpartner_load_redshift":
            sql = names["statements"](receipt)
        elif example == "mailpartner_load_snowflake":
            sql = bound(names["LOAD"], names["parameters"](receipt))
        elif example == "mailpartner_load_bigquery":
            # sqlglot does not know a temporary one
            sql = bound(names["LOAD"].replace("TEMP TABLE landed", "landed"), receipt)
        else:
            sql = ";".join([names["TABLE"], names["DELETE"], names["COUNT"]])
        return sqlglot.parse(sql, dialect=example.removeprefix("mailpartner_load_"))

    @pytest.mark.parametrize("example", LOADING)
    def test_table(self, example):
        """Every table has the columns of a snapshot, in their order, which is what Redshift goes
        by; none has the path's own key."""
        from sqlglot import exp

        table, *_ = self.statements(example)
        columns = list(table.find_all(exp.ColumnDef))

        assert isinstance(table, exp.Create)
        assert SNAPSHOT.names == [column.name for column in columns]
        assert [field.name for field in SNAPSHOT if not field.nullable] == [
            column.name for column in columns if column.find(exp.NotNullColumnConstraint)
        ]

    def test_bigquery(self):
        """BigQuery counts what it has read before it replaces the day, in one transaction."""
        from sqlglot import exp

        statements = self.statements("mailpartner_load_bigquery")
        _, read, count, begin, delete, insert, commit = statements

        assert isinstance(read, exp.LoadData)
        assert count.sql(dialect="bigquery").startswith("ASSERT(SELECT count(*) FROM landed) = 3 ")
        assert isinstance(begin, exp.Transaction)
        assert "DELETE FROM mailpartner.unsubscribes WHERE snapshot_date = '2026-11-23'" == (
            delete.sql(dialect="bigquery")
        )
        assert SNAPSHOT.names == [each.name for each in insert.this.expressions]
        assert SNAPSHOT.names == insert.expression.named_selects
        assert isinstance(commit, exp.Commit)

    @pytest.mark.parametrize("example", ["mailpartner_load_redshift", "mailpartner_load_snowflake"])
    def test_copy(self, example):
        """Redshift and Snowflake replace the day by its one file, and count the rows last."""
        from sqlglot import exp

        _, delete, copy, count = self.statements(example)
        said = copy.sql(dialect=example.removeprefix("mailpartner_load_"))

        assert isinstance(delete, exp.Delete)
        assert isinstance(copy, exp.Copy)
        assert copy.args["kind"], "it copies from, not to"
        assert "dt=2026-11-23/part-00000.parquet'" in said
        assert "PARQUET" in said
        assert isinstance(count, exp.Select)

    def test_snowflake(self):
        """Snowflake must be asked for what fakesnow does anyway: to load a file again, to read
        instants."""
        copy = self.statements("mailpartner_load_snowflake")[2].sql(dialect="snowflake")

        assert "FORCE = TRUE" in copy
        assert "USE_LOGICAL_TYPE=TRUE" in copy

    def test_hostile_receipt(self):
        """What a receipt says stays a text in BigQuery's SQL, and gets into Redshift's only as a
        date and a number."""
        from sqlglot import exp

        statements = self.statements("mailpartner_load_bigquery", **HOSTILE)
        texts = {text.name for each in statements for text in each.find_all(exp.Literal)}

        assert 7 == len(statements)
        assert set(HOSTILE.values()) <= texts
        for member in ("snapshot_date", "rows"):
            with pytest.raises(ValueError):
                self.statements("mailpartner_load_redshift", **{member: HOSTILE[member]})

    @pytest.mark.parametrize(
        ("example", "conn_id", "conn_type", "hook"),
        [
            ("bigquery", "google_cloud_bigquery_default", "gcpbigquery", "BigQueryHook"),
            ("redshift", "redshift_default", "redshift", "RedshiftSQLHook"),
            ("snowflake", "snowflake_default", "snowflake", "SnowflakeHook"),
        ],
    )
    def test_hook(self, monkeypatch, example, conn_id, conn_type, hook):
        """The operator finds the warehouse's own hook, which commits at the end or never."""
        connection = {"conn_type": conn_type, "extra": {"project": "made-up"}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        dag = load(EXAMPLES / f"mailpartner_load_{example}.py")

        task = dag.get_task("load").unmap({"sql": "SELECT 1"} if example == "redshift" else {})

        assert hook == type(task.get_db_hook()).__name__
        assert not task.autocommit
