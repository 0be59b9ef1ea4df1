"""README and docs promise nothing that is not so: code runs, tables and trees are the truth."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shutil
import subprocess
import sys
from datetime import date, datetime
from types import SimpleNamespace

import duckdb
import pyarrow.parquet as pq
import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.get_provider_info import CONN_FIELDS
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.schemas import snapshot_schema
from mailpartner_provider.testing import faults
from tests.support.api import THREE
from tests.support.days import days_ago, today, yesterday
from tests.support.docs import BLOCK, PAGES, README, block, table
from tests.support.lake import files
from tests.support.landing import land
from tests.support.project import PROJECT
from tests.support.runs import AIRFLOW
from tests.support.spark import spark

CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text()
CREATED = "docs/guides/created.md"
CHANGES = "docs/guides/changes.md"
PRIVACY = "docs/guides/privacy.md"
READING = "docs/guides/reading.md"
LOADING = "docs/guides/loading.md"
EXTERNAL = "docs/guides/external.md"
TESTING = "docs/guides/testing.md"
AIRFLOW_GUIDE = "docs/guides/airflow.md"
CONNECTION = "docs/reference/connection.md"
OPERATORS = "docs/reference/operators.md"
FILES = "docs/reference/files.md"
SPEED = "docs/explanation/speed.md"


@pytest.fixture
def two_days(api, lake, tmp_path, monkeypatch):
    """A lake with two days in it, named as README names it, as the working folder."""
    monkeypatch.chdir(tmp_path)
    land(lake, yesterday())
    api.unsubscribes = [*THREE, {"id": 1}]
    land(lake, max_rejected=1)
    return lake


def in_days_of(text: str) -> str:
    """Replace README's two days by yesterday and today."""
    days = {"2026-11-22": str(yesterday()), "2026-11-23": str(today())}
    return re.sub("|".join(days), lambda found: days[found[0]], text)


def in_airflow_2(code: str) -> str:
    """Write the DAG as README says that Airflow 2 wants it."""
    code = code.replace("from airflow.sdk", "from datetime import datetime\nfrom airflow")
    code = code.replace("Asset", "Dataset")
    return code.replace("schedule=", "start_date=datetime(2026, 1, 1), schedule=")


def test_tree(two_days):
    """The tree on the first screen is what two landings leave."""
    names = re.findall(r"[├└]── (\S+)", in_days_of(block("README.md", "text", "one complete file")))

    assert set(names) == set(two_days.files())


def test_tree_by_day_of_opt_out(api, tmp_path):
    """The tree of the other layout is what a landing leaves there."""
    api.unsubscribes = [*THREE, {"id": 1}]
    land(tmp_path, partition_by="created", max_rejected=1)

    names = re.findall(r"[├└]── (\S+)", in_days_of(block(CREATED, "text", "_partitions.json")))

    assert set(names) == set(files(tmp_path))


def test_dag(api, lake):
    """The five lines are a DAG, and its task lands the list."""
    code = block("README.md", "python", '"opt_outs"').replace(
        "s3://aws_default@lake/unsubscribes", str(lake)
    )
    names: dict = {}
    if AIRFLOW < (3,):
        code = in_airflow_2(code)

    exec(compile(code, "README.md", "exec"), names)
    names["land"].snapshot_date = today().isoformat()

    assert "opt_outs" == names["land"].dag_id
    assert 3 == names["land"].execute({})["rows"]


def test_changes(api, lake, tmp_path):
    """The operator of changes lands them."""
    land(lake)
    code = block(CHANGES, "python", "UnsubscribeChangesOperator(")
    code = code.replace("s3://aws_default@lake/unsubscribe_changes", str(tmp_path / "changes"))
    names: dict = {}
    exec(code.replace("s3://aws_default@lake/unsubscribes", str(lake)), names)
    names["changes"].snapshot_date = today().isoformat()

    assert 3 == names["changes"].execute({})["added"]


def test_erase(two_days):
    """The command erases whom its input names, from each place."""
    root = two_days.folder.parent
    command = block(PRIVACY, "shell", "erase").replace("s3://aws_default@lake/", f"{root}/")
    shutil.copytree(two_days, root / "unsubscribe_changes")
    program = [sys.executable, *command.split()[1:]]

    subprocess.run(program, input="anne@example.com", text=True, check=True, capture_output=True)

    for day in (yesterday(), today()):
        assert "anne" not in str(two_days.rows(day))


def test_own_dags(tmp_path):
    """The test of somebody's own DAG passes."""
    dag = block("README.md", "python", '"opt_outs"')
    if AIRFLOW < (3,):
        dag = in_airflow_2(dag)
    (tmp_path / "opt_outs.py").write_text(dag)
    (tmp_path / "test_opt_outs.py").write_text(block(TESTING, "python", "mailpartner_api"))

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--basetemp", str(tmp_path / "temporary")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert "1 passed" in done.stdout, done.stdout


def test_stand_in_by_hand():
    """The stand-in starts by hand, as README starts it."""
    line = re.search(r"^python (-m mailpartner_provider.testing .*)$", PAGES[TESTING], re.M)[1]
    with subprocess.Popen([sys.executable, *line.split()], stdout=subprocess.PIPE) as process:
        told = process.stdout.readline()
        process.terminate()

    assert told.startswith(b"export AIRFLOW_CONN_MAILPARTNER_DEFAULT='{")


def test_notebook(api):
    """The notebook's two lines give a DataFrame of the list."""
    names: dict = {}

    exec(block(AIRFLOW_GUIDE, "python", "get_df"), names)

    assert [row["id"] for row in THREE] == names["df"]["id"].tolist()


def test_connection_of_environment(api, monkeypatch):
    """The connection of the environment is one that the hook can use."""
    found = re.search(r"export (\w+)='(.*)'", block("README.md", "shell", "AIRFLOW_CONN"))
    monkeypatch.setenv(found[1], found[2].replace("the API key", "some key"))

    session = MailPartnerHook().get_conn()

    assert "https://api.mailpartner.fr/v1" == session.base_url
    assert "some key" == session.params["apiKey"]


def test_connection_table():
    """Every extra field of the connection is described, and no other."""
    described = [name for name in table(CONNECTION, "field") if not name.startswith("http")]

    assert list(CONN_FIELDS) == described


def test_arguments_table():
    """Every argument is described, with its default, and no other."""
    parameters = inspect.signature(UnsubscribeToParquetOperator.__init__).parameters.values()
    ours = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    described = table(OPERATORS, "`UnsubscribeToParquetOperator")

    assert [each.name for each in ours] == list(described)
    for each in ours[1:]:
        shown = f'"{each.default}"' if isinstance(each.default, str) else str(each.default)
        assert f"`{shown}`" == described[each.name][0]
    templated = [name for name, cells in described.items() if "(templated)" in cells[1]]
    assert list(UnsubscribeToParquetOperator.template_fields) == templated


def test_columns_and_receipt(two_days):
    """The columns stand in their order, and every member of a receipt is described."""
    members = [field.name for field in dataclasses.fields(SnapshotReceipt)]

    assert snapshot_schema().names == list(table(FILES, "column"))
    assert sorted(members) == sorted(table(FILES, "member"))


def test_parquet_types(two_days):
    """The Parquet types are those of the table."""
    schema = pq.ParquetFile(two_days.partition()).schema
    types = {column.name: (column.physical_type, column.logical_type.type) for column in schema}

    assert {
        "id": ("INT64", "NONE"),
        "email": ("BYTE_ARRAY", "STRING"),
        "created_at": ("INT64", "TIMESTAMP"),
        "snapshot_date": ("INT32", "DATE"),
        "extra_fields": ("BYTE_ARRAY", "STRING"),
    } == types


def test_read_with_pandas(two_days):
    """pandas reads one day."""
    names: dict = {}

    exec(in_days_of(block(READING, "python", "today = pd.read_parquet")), names)

    assert [row["id"] for row in THREE] == names["today"]["id"].tolist()


def test_read_with_pyarrow(two_days):
    """pyarrow reads all days, with dt as a date."""
    names: dict = {}

    exec(block(READING, "python", "ds.dataset"), names)

    days = names["days"].column("dt").to_pylist()
    assert {yesterday(): 3, today(): 3} == {day: days.count(day) for day in set(days)}


def test_read_with_duckdb(two_days):
    """DuckDB counts the list by day."""
    found = duckdb.sql(block(READING, "sql", "GROUP BY")).fetchall()

    assert [(yesterday(), 3), (today(), 3)] == found
    assert isinstance(found[0][0], date)


def test_alert_on_receipts(two_days):
    """The query for an alert returns the days of the last week without a good live snapshot."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Europe/Paris'")
        found = connection.execute(block(AIRFLOW_GUIDE, "sql", "generate_series")).fetchall()

    assert [(days_ago(n),) for n in range(6, 0, -1)] == found  # yesterday's is backdated


def test_alert(api, lake, capsys):
    """The alert prints the kind of the error, its cause and its cure, also of one of Airflow's."""
    api.script(faults.refusing(10))
    names: dict = {}
    exec(block(AIRFLOW_GUIDE, "python", "def alert"), names)

    with pytest.raises(AirflowFailException) as raised:
        land(lake)
    task = SimpleNamespace(task_id="land")
    names["alert"]({"exception": raised.value, "task_instance": task})

    text = "the API key is wrong: correct it"
    assert re.search(f"land: RequestRefused: .*{text}", capsys.readouterr().out)


def test_load(two_days, tmp_path, monkeypatch):
    """The operator that loads leaves the newest list in the table."""
    code = block(LOADING, "python", "UnsubscribeToSqlOperator(").replace(
        "s3://aws_default@lake/unsubscribes", str(two_days)
    )
    file = str(tmp_path / "database")
    connection = json.dumps({"conn_type": "duckdb", "host": file})
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", connection)
    code = code.replace("airflow.sdk", "tests.support.sdk")
    code = code.replace("schedule=", "start_date=datetime(2026, 1, 1), schedule=")
    names: dict = {"datetime": datetime}
    exec(code, names)

    assert 3 == names["load"].execute({})["rows"]
    with duckdb.connect(file) as connection:
        rows = connection.sql("SELECT DISTINCT snapshot_date FROM unsubscribes").fetchall()
    assert [(today(),)] == rows


@pytest.mark.engine
def test_read_with_spark(two_days):
    """Spark counts one day, and sees neither receipts nor quarantine."""
    code = in_days_of(block(READING, "python", "spark.read")).replace(
        "lake/unsubscribes", str(two_days)
    )

    with spark() as session:
        assert 3 == eval(code, {"spark": session})


def test_figures():
    """The figures are those of the last measurement."""
    figures = (
        PAGES[SPEED].partition("<!-- figures -->\n")[2].partition("<!-- end of figures -->")[0]
    )
    table, _, made = figures.strip().partition("\n\n")
    results = (PROJECT / "benchmarks" / "RESULTS.md").read_text()

    assert "mailpartner-provider" in table
    assert table in results
    assert made in results


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_links(page):
    """Every file that a page links to is there."""
    links = re.findall(r"\]\((?!https?:)([\w./-]+)", (PROJECT / page).read_text())

    assert [] == [each for each in links if not (PROJECT / page).parent.joinpath(each).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_code(page):
    """Every block of Python compiles, and what it imports is there; every block of SQL is SQL."""
    for language, code in BLOCK.findall(PAGES[page]):
        if language == "python":
            compile(code, page, "exec")
            for line in re.findall(r"^from mailpartner_provider\S* import .*$", code, re.MULTILINE):
                exec(line, {})
        elif language == "sql" and page not in (LOADING, EXTERNAL):  # see tests/loading
            assert duckdb.extract_statements(code if "SELECT" in code.upper() else f"SELECT {code}")


@pytest.mark.parametrize("command", ["mailpartner_provider erase", "mailpartner_provider.testing"])
def test_options(command):
    """Each option of a command is described, and no other."""
    page = PAGES["docs/reference/commands.md"].partition(f"python -m {command}")[2]
    described = re.findall(r"^\| `(--[\w-]+)`", page.partition("\n## ")[0], re.MULTILINE)
    program = [sys.executable, "-m", *command.split(), "--help"]
    shown = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    assert sorted(described) == sorted({*re.findall(r"--[\w-]+", shown)} - {"--help"})


def test_words():
    """README is one screen and a half: its reference is in docs."""
    assert len(README.split()) < 800
