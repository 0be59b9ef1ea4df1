"""The statements in docs/guides/external.md are of their dialects, with the columns that land."""

from __future__ import annotations

import re

import pytest

from mailpartner_provider.schemas import snapshot_schema
from tests.support.docs import PAGES

pytestmark = pytest.mark.engine

PAGE = PAGES["docs/guides/external.md"]
SECTIONS = {"Snowflake": "snowflake", "BigQuery": "bigquery", "Athena and Glue": "athena"}
SECTIONS |= {"Databricks": "databricks"}
#: What the parser knows only by its first word.
UNKNOWN = ("CREATE CATALOG INTEGRATION ", "ALTER EXTERNAL TABLE ", "ALTER ICEBERG TABLE ")


def statements(heading):
    """Return the statements in a section of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    return [text.strip() for block in blocks for text in block.split(";") if text.strip()]


def test_all_sections():
    """Each dialect's statements are in a section of its own."""
    assert sum(len(statements(heading)) for heading in SECTIONS) == PAGE.count(";\n")


@pytest.mark.parametrize("heading", SECTIONS)
def test_dialect(heading):
    """The parser of the dialect knows the statements."""
    import sqlglot
    from sqlglot import exp

    for text in statements(heading):
        if not text.startswith(UNKNOWN):
            known = re.sub(r"WITH PARTITION COLUMNS \(dt DATE\)", "", text)
            assert not isinstance(sqlglot.parse_one(known, dialect=SECTIONS[heading]), exp.Command)


@pytest.mark.parametrize("heading", ["Snowflake", "Athena and Glue", "Databricks"])
def test_columns(heading):
    """A table has the columns of the files, in their order, and the day."""
    import sqlglot
    from sqlglot import exp

    table = sqlglot.parse_one(statements(heading)[0], dialect=SECTIONS[heading])
    names = [column.name for column in table.find_all(exp.ColumnDef)]

    assert "dt" in names
    assert snapshot_schema().names == [name for name in names if name != "dt"]
