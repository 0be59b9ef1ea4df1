"""The example that loads BigQuery: what can be known of its SQL without an account."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mailpartner_provider.schemas import snapshot_schema
from tests.support.project import EXAMPLES
from tests.support.runs import load

SNAPSHOT = snapshot_schema()
COLUMNS = ["account", *SNAPSHOT.names]
RECEIPT = {
    "snapshot_date": "2026-11-23",
    "uri": "gs://lake/dt=2026-11-23/part-00000.parquet",
    "rows": 3,
    "conn_id": "mailpartner_default",
    "observed_at": "2026-11-23T06:30:00.000000Z",
}
HOSTILE = {
    "snapshot_date": "2026-11-23' OR '' = '",
    "uri": "gs://lake/'] ); DROP TABLE mailpartner.unsubscribes; --\\'",
    "rows": "3 THEN '1' ELSE '1' END AS INT); --",
}


def names() -> dict[str, Any]:
    import runpy

    return runpy.run_path(str(EXAMPLES / "mailpartner_load_bigquery.py"))


@pytest.mark.engine
class TestStatements:
    def statements(self, **members: Any) -> list[Any]:
        """Return the SQL for a receipt, statement by statement, as sqlglot reads it."""
        import sqlglot
        from airflow.providers.google.cloud.hooks.bigquery import _bind_parameters as bound

        # sqlglot does not know a temporary one
        sql = bound(names()["LOAD"].replace("TEMP TABLE landed", "landed"), RECEIPT | members)
        return sqlglot.parse(sql, dialect="bigquery")

    def test_table(self):
        """The table has the account and the columns of a snapshot, in their order."""
        from sqlglot import exp

        table, *_ = self.statements()
        columns = list(table.find_all(exp.ColumnDef))

        assert isinstance(table, exp.Create)
        assert COLUMNS == [column.name for column in columns]
        assert ["account", *(field.name for field in SNAPSHOT if not field.nullable)] == [
            column.name for column in columns if column.find(exp.NotNullColumnConstraint)
        ]

    def test_order(self):
        """It counts what it has read before it replaces the account's day, in one transaction."""
        from sqlglot import exp

        _, read, count, begin, delete, insert, commit = self.statements()

        assert isinstance(read, exp.LoadData)
        assert count.sql(dialect="bigquery").startswith("ASSERT(SELECT count(*) FROM landed) = 3 ")
        assert isinstance(begin, exp.Transaction)
        assert (
            "DELETE FROM mailpartner.unsubscribes WHERE account = 'mailpartner_default' "
            "AND snapshot_date = '2026-11-23'"
        ) == delete.sql(dialect="bigquery")
        assert COLUMNS == [each.name for each in insert.this.expressions]
        assert COLUMNS[1:] == insert.expression.named_selects[1:]
        assert isinstance(commit, exp.Commit)

    def test_hostile_receipt(self):
        """What a receipt says stays a text."""
        from sqlglot import exp

        statements = self.statements(**HOSTILE)
        texts = {text.name for each in statements for text in each.find_all(exp.Literal)}

        assert 7 == len(statements)
        assert set(HOSTILE.values()) <= texts

    def test_hook(self, monkeypatch):
        """The operator finds the warehouse's own hook."""
        connection = {"conn_type": "gcpbigquery", "extra": {"project": "made-up"}}
        name = "AIRFLOW_CONN_GOOGLE_CLOUD_BIGQUERY_DEFAULT"
        monkeypatch.setenv(name, json.dumps(connection))
        task = load(EXAMPLES / "mailpartner_load_bigquery.py").get_task("load").unmap({})

        assert "BigQueryHook" == type(task.get_db_hook()).__name__


@pytest.mark.parametrize("airflow", ["triggering_dataset_events", "triggering_asset_events"])
def test_receipts(airflow):
    """Every partition that landed is loaded, of every account, as its newest receipt says; an
    event made by hand is none, and so is a run by hand."""

    def landed(uri, observed_at, rows):
        return SimpleNamespace(extra={"uri": uri, "observed_at": observed_at, "rows": rows})

    events = [
        landed("gs://lake/hats/dt=2026-11-23", "2026-11-23T09:00:00.000000Z", 3),
        landed("gs://lake/hats/dt=2026-11-22", "2026-11-22T06:30:00.000000Z", 1),
        landed("gs://lake/shoes/dt=2026-11-22", "2026-11-22T06:31:00.000000Z", 4),
        landed("gs://lake/hats/dt=2026-11-23", "2026-11-23T06:30:00.000000Z", 2),
        SimpleNamespace(extra={"by": "hand"}),
        SimpleNamespace(extra=None),
    ]
    receipts = names()["receipts"].function

    found = receipts(**{airflow: {"mailpartner-unsubscribes": events}})

    assert [1, 3, 4] == sorted(receipt["rows"] for receipt in found)
    assert [] == receipts(**{airflow: {}})
