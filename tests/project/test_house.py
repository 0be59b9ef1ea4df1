"""The rooms of the house: who may import whom, who knows what, and what is loaded when.

Every import statement counts: at the top of a module, inside a function, and under
``TYPE_CHECKING``. An import inside a function costs nothing while DAG files are parsed, and one
under ``TYPE_CHECKING`` costs nothing ever; but each is knowledge of another module, and a change
there reaches it. What is loaded when has tests of its own.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mailpartner_provider

ROOT = mailpartner_provider.__name__
PACKAGE = Path(mailpartner_provider.__file__).parent

#: What every room may import. The ground itself imports nothing else of this package.
GROUND = {
    ROOT,  # its __init__
    "compat",
    "days",
    "errors",
    "exact_json",
    "get_provider_info",
    "masking",
    "schemas",
    "words",
}

#: Each room, and the rooms and modules that it may import besides itself and the ground.
ROOMS = {
    "ground": set(),
    "api": set(),
    "lake": set(),
    "testing": set(),
    "privacy": {"lake"},
    "hooks": {"api", "lake"},
    "snapshots": {"api", "lake", "privacy"},
    "changes": {"lake", "privacy"},
    "pushes": {"api", "lake", "privacy"},
    "warehouse": {"lake", "privacy"},
    "operators": {
        *("api", "lake", "privacy", "hooks", "snapshots", "changes", "pushes", "warehouse"),
    },
    "ui": {"lake", "hooks", "operators.links", "pushes.batches"},
    "__main__": {"hooks", "lake", "privacy"},
}

#: Each third party, and the rooms and modules that may import it.
THIRD_PARTIES = {
    "airflow": {"hooks", "operators", "ui.plugin", "ui.application", "compat"},
    "requests": {"hooks", "testing"},
    "tenacity": {"hooks"},
    "flask_appbuilder": {"hooks"},
    "wtforms": {"hooks"},
    "pandas": {"hooks"},
    "pyarrow": {
        *("schemas", "api", "lake", "privacy", "hooks", "snapshots", "changes"),
        *("pushes.listed", "warehouse", "operators.telemetry"),
    },
    "pyiceberg": {"hooks.iceberg", "warehouse.iceberg", "warehouse.iceberg_table"},
    "duckdb": {"changes.diff", "hooks.warehouse"},
    "fsspec": {"lake.objects"},
    "s3fs": {"lake.s3", "lake.s3_requests"},
    "botocore": {"lake.s3_requests"},
    "azure": {"lake.azure"},
    "gcsfs": {"lake.gcs"},
    "aiohttp": {"lake.gcs"},
    "numpy": {"api.cells", "privacy.arrays", "privacy.fingerprints"},
    "fastapi": {"ui.application"},
    "pydantic": {"ui.application"},
    "jinja2": {"ui.page"},
    "pytest": {"testing.plugin"},
}

#: The same for parts of the standard library; all may import the rest of it.
NETWORK = {"hooks", "testing"}
DISK = {"lake.local", "lake.locks", "lake.objects", "lake.scratch"}
STANDARD_LIBRARY = {
    "asyncio": {  # of file systems, and of Airflow's web server
        *(*NETWORK, "lake.objects", "lake.s3_requests", "lake.gcs"),
        "ui.reading",
    },
    "ftplib": NETWORK,
    "http": NETWORK,
    "smtplib": NETWORK,
    "socket": NETWORK,
    "socketserver": NETWORK,
    "ssl": NETWORK,
    "urllib.request": NETWORK,
    "xmlrpc": NETWORK,
    "fcntl": DISK,
    "os": DISK,
    "shutil": DISK,
    "tempfile": DISK,
    "importlib": {"compat"},  # imports by a text, which no test sees here
    "runpy": set(),
}

#: Modules that load nothing heavy: Airflow imports them for every DAG file, or in every process.
#: They are listed by what they need of Airflow, which is not counted.
LIGHT = {
    "BaseOperator, AirflowFailException": [
        "operators.unsubscribe_to_parquet",
        "operators.unsubscribe_changes",
        "operators.confirm_pushes",
        "operators.delete_unsubscribes",
        "operators.push_unsubscribes",
        "operators.unsubscribe_to_iceberg",
        "operators.unsubscribe_to_sql",
    ],
    "BaseOperatorLink, XCom, conf": ["operators.links"],
    "AirflowPlugin, BaseOperatorLink, XCom, conf": ["ui.plugin"],
}
HEAVY = {
    *("duckdb", "fastapi", "fsspec", "jinja2", "numpy", "pandas", "pyarrow"),
    *("pyiceberg", "requests", "tenacity", "urllib3"),
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "example_dags" not in path.parts
}
MODULES[ROOT] = MODULES.pop("__init__")


def room(module: str) -> str:
    """Return the room of a module; modules beside the rooms are rooms of their own."""
    return "ground" if module in GROUND else module.partition(".")[0]


def within(module: str, places: set[str]) -> bool:
    """Return whether a module is one of the places, or in one of them."""
    return any(f"{module}.".startswith(f"{place}.") for place in places)


def statements(module: str) -> Iterator[str]:
    """Yield the name of every imported module, and of everything that is imported from one."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(module: str) -> set[str]:
    """Return the modules of this package that a module imports."""
    found = set()
    for name in statements(module):
        if within(name, {ROOT}):
            inner = name.removeprefix(f"{ROOT}.")
            found.add(inner if inner in MODULES else inner.rpartition(".")[0] or ROOT)
    return found


def others(module: str) -> set[str]:
    """Return everything else that a module imports, with dots."""
    return {name for name in statements(module) if not within(name, {ROOT})}


def run(script: str) -> None:
    """Run a script in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_room_is_in_the_table():
    """The table has all rooms, and no others."""
    assert set(ROOMS) == {room(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_imports(module):
    """A module imports from the ground, from its own room, and from those that the table names."""
    allowed = {room(module), *ROOMS[room(module)]}

    foreign = {each for each in ours(module) if each not in GROUND and not within(each, allowed)}

    assert set() == foreign


def test_no_circle_of_rooms():
    """No two rooms import each other, by whatever way around."""
    needs = {name: set() for name in ROOMS}
    for module in MODULES:
        needs[room(module)] |= {room(each) for each in ours(module)} - {room(module)}

    TopologicalSorter(needs).prepare()


def test_no_circle_in_the_table():
    """The table of the rooms allows no circle."""
    needs = {name: {room(each) for each in allowed} for name, allowed in ROOMS.items()}

    TopologicalSorter(needs).prepare()


def test_no_circle_of_modules():
    """No two modules import each other, by whatever way around."""
    TopologicalSorter({module: ours(module) for module in MODULES}).prepare()


def test_init():
    """An ``__init__`` imports nothing, so that an import of one module loads no other."""
    packages = [module for module, path in MODULES.items() if path.name == "__init__.py"]

    assert {} == {module: found for module in packages if (found := set(statements(module)))}


@pytest.mark.parametrize("module", MODULES)
def test_knowledge(module):
    """Airflow, network, disk, DuckDB and the other third parties are known where the table says."""
    known = THIRD_PARTIES | STANDARD_LIBRARY

    foreign = {
        name
        for name in others(module)
        for party, places in known.items()
        if within(name, {party}) and not within(module, places)
    }

    assert set() == foreign


@pytest.mark.parametrize("module", MODULES)
def test_every_third_party_is_in_the_table(module):
    """Whatever is not of the standard library has its places in the table."""
    names = {name.partition(".")[0] for name in others(module)}

    assert names <= sys.stdlib_module_names | set(THIRD_PARTIES)


def test_pure():
    """All but hooks, operators, two plugins, the application behind the page, and what needs
    pyiceberg, is imported without Airflow, requests, DuckDB."""
    impure = {"hooks", "operators", "ui.plugin", "ui.application", "testing.plugin"}
    impure |= {"warehouse.iceberg", "warehouse.iceberg_table"}
    names = [f"{ROOT}.{module}" for module in MODULES if not within(module, impure | {ROOT})]

    run(f"""
import sys
sys.modules.update(airflow=None, requests=None, duckdb=None)
for name in {names}:
    __import__(name)
""")


@pytest.mark.parametrize("bases", LIGHT)
def test_light(bases):
    """What Airflow imports for every DAG file, or in every process, loads nothing heavy."""
    run(f"""
import sys
from mailpartner_provider.compat import {bases}
for module in {LIGHT[bases]}:
    before = set(sys.modules)
    __import__("{ROOT}." + module)
    loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
    assert not loaded & {HEAVY}, (module, loaded & {HEAVY})
""")


def test_light_dag():
    """A DAG file that makes an operator, and so checks its arguments, loads nothing heavy."""
    run(f"""
import sys
from tests.support.sdk import DAG
from mailpartner_provider.compat import BaseHook, BaseOperator, AirflowFailException
before = set(sys.modules)
from {ROOT}.operators.unsubscribe_changes import UnsubscribeChangesOperator
from {ROOT}.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
UnsubscribeToParquetOperator(task_id="land", destination="s3://aws@lake/u")
UnsubscribeChangesOperator(task_id="tell", source="s3://aws@lake/u", destination="s3://aws@lake/v")
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert not loaded & {HEAVY}, loaded & {HEAVY}
""")


def test_provider_info_is_light():
    """What Airflow calls in every process needs the standard library only."""
    names = {name.partition(".")[0] for name in statements("get_provider_info")}

    assert names <= {"__future__", "typing"}


def test_one_writer():
    """Only a commit changes a destination: nothing else publishes or removes a file there."""
    callers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("publish", "remove")
        and ast.unparse(node.value).endswith("destination")
    }

    assert {"lake/commit.py"} == callers
