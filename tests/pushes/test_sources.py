"""Where opt-outs come from: Parquet files, or a query."""

from __future__ import annotations

import json
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mailpartner_provider.compat import AirflowFailException
from tests.support.landing import land
from tests.support.pushing import opt_outs, push

SQL = "SELECT 1 AS n, address FROM opt_outs"


@pytest.fixture
def landed(api, lake):
    land(lake)
    return lake


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A database with a table of opt-outs, and Airflow's connection to it."""
    file = tmp_path / "crm.db"
    connection = {"conn_type": "sqlite", "host": str(file)}
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(connection))
    with sqlite3.connect(file) as crm:
        crm.execute("CREATE TABLE opt_outs (address)")
        rows = [("zoe@example.com",), ("Anne@example.com",), (None,), ("x@y.fr",)]
        crm.executemany("INSERT INTO opt_outs VALUES (?)", rows)
    yield crm
    crm.close()


def query(landed, sql=SQL, **arguments):
    arguments = {"sql_conn_id": "crm", "column": "address", **arguments}
    return push(landed, sql=sql, **arguments)


def pushed(receipt) -> tuple[int, int, int]:
    return receipt["given"], receipt["empty"], receipt["added"]


class TestParquet:
    def test_folder(self, landed, tmp_path):
        """All files of a folder count, but those that readers skip."""
        folder = tmp_path / "given"
        (folder / "day=1").mkdir(parents=True)
        opt_outs(folder / "day=1" / "a.parquet", ["a@x.fr", "b@x.fr"])
        opt_outs(folder / "b.parquet", ["c@x.fr"])
        opt_outs(folder / "_c.parquet", ["d@x.fr"])

        assert (3, 0, 3) == pushed(push(landed, folder))

    def test_bucket(self, landed, bucket, tmp_path):
        """The files may lie in a bucket."""
        file = opt_outs(tmp_path / "a.parquet", ["a@x.fr"])
        bucket["given/a.parquet"] = file.read_bytes()

        assert (1, 0, 1) == pushed(push(landed, "s3://aws_default@lake/given/"))

    @pytest.mark.parametrize(
        "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
    )
    def test_text(self, landed, tmp_path, kind):
        """Every kind of text is read, in whichever column."""
        column = pa.array(["a@x.fr", "a@x.fr", None]).cast(kind)
        pq.write_table(pa.table({"n": [1, 2, 3], "who": column}), tmp_path / "a.parquet")

        assert (3, 1, 1) == pushed(push(landed, tmp_path / "a.parquet", column="who"))

    def test_no_text(self, landed, tmp_path):
        """A column of something else is refused by name."""
        pq.write_table(pa.table({"email": [1]}), tmp_path / "a.parquet")

        with pytest.raises(AirflowFailException, match=r"column: 'email' of .* holds int64"):
            push(landed, tmp_path / "a.parquet")

    def test_no_column(self, landed, tmp_path):
        """A column that is not there is refused by name, with those that are."""
        with pytest.raises(AirflowFailException, match=r"column: .* has no 'mail', only email"):
            push(landed, opt_outs(tmp_path / "a.parquet", []), column="mail")

    def test_no_column_in_a_file(self, landed, tmp_path):
        """A folder in which one file lacks the column is refused, and nobody is pushed: its people
        would count as rows without an address."""
        folder = tmp_path / "given"
        opt_outs(folder / "a.parquet", ["a@x.fr"])
        opt_outs(folder / "b.parquet", ["b@x.fr"], column="mail")

        with pytest.raises(AirflowFailException, match=r"b\.parquet has no 'email', only mail"):
            push(landed, folder)

        assert not [name for name in landed.files() if "_pushes" in name]

    @pytest.mark.parametrize("name", ["nothing", "text"])
    def test_unreadable(self, landed, tmp_path, name):
        """A file that is not there, or is no Parquet, is an error that names it."""
        (tmp_path / "text").write_text("anne@example.com")

        with pytest.raises(OSError, match=f"cannot read .*{name}") as caught:
            push(landed, tmp_path / name)

        assert "anne" not in str(caught.value)


class TestQuery:
    def test_rows(self, landed, database):
        """The column of a query is read, wherever it stands."""
        assert (4, 1, 2) == pushed(query(landed))

    def test_many(self, landed, database):
        """A long result is read in parts."""
        rows = ((f"{n}@x.fr",) for n in range(25_000))
        database.executemany("INSERT INTO opt_outs VALUES (?)", rows)
        database.commit()

        receipt = query(landed, dry_run=True, max_added=30_000)

        assert (25_004, 25_003, 1) == tuple(
            receipt[name] for name in ("given", "distinct", "already_listed")
        )

    def test_nothing(self, api, landed, database):
        """Nobody is pushed when nobody has opted out."""
        assert (0, 0, 0) == pushed(query(landed, f"{SQL} WHERE address = 'none'"))
        assert ["/v1/unsubscribe/list"] == api.asked

    def test_no_column(self, landed, database):
        """A column that the query has not is refused by name, with those that it has."""
        with pytest.raises(AirflowFailException, match="has no 'email', only n, address"):
            query(landed, column="email")

    def test_no_text(self, landed, database):
        """A column of something else is refused by name."""
        with pytest.raises(AirflowFailException, match="column: 'n' of the query holds int"):
            query(landed, column="n")

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT nothing FROM opt_outs",
            "SELECT json(address) x FROM (SELECT 'anne@example.com' AS address)",
        ],
    )
    def test_failed(self, landed, database, sql):
        """An error of the database is shown by its kind alone: its text may quote a row."""
        with pytest.raises(OSError, match="the query with the connection crm failed: Operat") as e:
            query(landed, sql, column="x")

        assert "malformed" not in str(e.value)
        assert e.value.__context__ is None

    def test_no_connection(self, landed):
        """A connection that does not exist is refused by name."""
        with pytest.raises(AirflowFailException, match="sql_conn_id: 'crm' cannot be used"):
            query(landed)
