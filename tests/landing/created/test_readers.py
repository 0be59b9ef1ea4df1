"""A list by day of opt-out, read by engines: with and without undated people, and empty."""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from tests.support.created import FIVE, land_created
from tests.support.docs import PAGES

UNDATED = [person for person in FIVE if not person["createdAt"]]
DATED = [person for person in FIVE if person["createdAt"]]
LISTS = {"all": FIVE, "dated": DATED, "undated": UNDATED, "empty": []}


def by_pandas(root: str) -> pa.Table:
    """Read as both guides do."""
    pages = PAGES["docs/guides/reading.md"], PAGES["docs/guides/created.md"]
    found = [re.findall(r"```python\n([^`]*partitioning=None[^`]*)```", page) for page in pages]
    (code,), same = found
    assert [code] == same
    names: dict = {}
    exec(code.replace("lake/opt_outs", root), names)
    return pa.Table.from_pandas(names["opt_outs"], preserve_index=False)


def by_pandas_of_numpy(root: str) -> pa.Table:
    import pandas as pd

    frame = pd.read_parquet(root, partitioning=None)
    return pa.Table.from_pylist(frame.astype(object).to_dict("records"), SCHEMA)


def by_pyarrow(root: str) -> pa.Table:
    return ds.dataset(root).to_table()


def by_pyarrow_with_key(root: str) -> pa.Table:
    key = ds.partitioning(pa.schema([("dt", pa.date32())]), flavor="hive")
    return ds.dataset(root, partitioning=key).to_table()


def by_duckdb(root: str) -> pa.Table:
    import duckdb

    return duckdb.sql(f"FROM read_parquet('{root}/dt=*/*.parquet')").to_arrow_table()


def by_polars(root: str) -> pa.Table:
    import polars as pl

    return pl.read_parquet(f"{root}/dt=*/*.parquet").to_arrow()


SCHEMA = pa.schema({"id": pa.int64(), "email": pa.string(), "created_date": pa.date32()})


@pytest.mark.parametrize("people", LISTS)
@pytest.mark.parametrize(
    "read",
    [
        by_pandas,
        by_pandas_of_numpy,
        by_pyarrow,
        by_pyarrow_with_key,
        by_duckdb,
        pytest.param(by_polars, marks=pytest.mark.engine),
    ],
)
def test_read(api, lake, read, people):
    """Every engine reads the whole list, whoever is on it: all columns, and each row once."""
    api.unsubscribes = LISTS[people]
    land_created(lake)

    table = read(str(lake))

    found = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
    assert {person["id"]: person["email"] for person in LISTS[people]} == {
        row["id"]: row["email"] for row in found
    }
    assert len(LISTS[people]) == len(found)
    days = {row["id"]: row["created_date"] for row in found}
    assert days.get(20) is None
    if people in ("all", "dated"):
        assert date(2015, 7, 20) == days[19]


@pytest.mark.parametrize(
    ("people", "why"),
    [("all", "unify dictionaries with nulls"), ("undated", "infer type"), ("empty", "infer type")],
)
def test_without_argument(api, lake, people, why):
    """Without the argument that the guides name, pandas fails; should it read the list one day, the
    guides can do without."""
    import pandas as pd

    api.unsubscribes = LISTS[people]
    land_created(lake)

    with pytest.raises(pa.ArrowInvalid, match=why):
        pd.read_parquet(str(lake))


@pytest.mark.parametrize("people", ["dated", "undated", "all"])
def test_key(api, lake, people):
    """The day in the path is the one in the column, also of undated people."""
    api.unsubscribes = LISTS[people]
    land_created(lake)

    rows = by_pyarrow_with_key(str(lake)).to_pylist()

    assert rows
    assert all(row["dt"] == row["created_date"] for row in rows)
