"""An Airflow of the installed line: its own scheduler, LocalExecutor and task runner."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy

from mailpartner_provider.compat import airflow_version
from tests.support.project import PROJECT
from tests.support.servers import free_port, postgresql, run, running, wait_until

CHANGES = "mailpartner_changes_by_asset"

_AIRFLOW = Path(sys.executable).parent / "airflow"
_IS_AIRFLOW_2 = airflow_version() < (3,)
_DAG_FILES = (
    Path(__file__).parent / "dags" / "lines.py",
    PROJECT / "dags_examples" / f"{CHANGES}.py",
)


class Line:
    """The running Airflow: commands of its own command line, and what its database says."""

    def __init__(self, folder: Path, settings: Mapping[str, str], database: str) -> None:
        self.folder = folder
        self._settings = settings
        self._engine = sqlalchemy.create_engine(database)

    def command(self, *arguments: str) -> None:
        """Run a command of Airflow's command line."""
        run(_AIRFLOW, *arguments, folder=self.folder, env=self._settings)

    def dags(self) -> set[str]:
        """List the DAGs that Airflow has found."""
        return {dag_id for (dag_id,) in self._select("dag_id FROM serialized_dag")}

    def ends(self, dag_id: str) -> str:
        """Wait for the end of the only run of a DAG; return its state."""
        query = f"state FROM dag_run WHERE dag_id = '{dag_id}'"
        wait_until(lambda: {("success",), ("failed",)} & set(self._select(query)))
        ((state,),) = self._select(query)
        return state

    def landings(self, dag_id: str) -> list[tuple[str, int]]:
        """Look up the landings of a DAG: the state and the number of tries of each."""
        which = f"dag_id = '{dag_id}' AND task_id = 'land'"
        return self._select(f"state, try_number FROM task_instance WHERE {which}")

    def events(self, dag_id: str) -> list[dict[str, Any]]:
        """Read what the events of a DAG's assets carry, in the order of mapped tasks."""
        table = "dataset_event" if _IS_AIRFLOW_2 else "asset_event"
        which = f"source_dag_id = '{dag_id}' ORDER BY source_map_index"
        return [extra for (extra,) in self._select(f"extra FROM {table} WHERE {which}")]

    def log(self) -> str:
        """Read what all processes have logged, tasks included."""
        return "".join(path.read_text(errors="replace") for path in self.folder.rglob("*.log"))

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(f"SELECT {query}"))]


@contextmanager
def line(folder: Path, **more_settings: str) -> Iterator[Line]:
    """Run the processes that this line of Airflow needs, until the block ends."""
    (folder / "dags").mkdir()
    (folder / "tmp").mkdir()
    for file in _DAG_FILES:
        shutil.copy(file, folder / "dags")
    port = free_port()
    with postgresql() as database, ExitStack() as stack:
        settings = {**os.environ, **_settings(folder, port, database), **more_settings}
        made = Line(folder, settings, database)
        made.command("db", "migrate")
        for name, *command in _components(port):
            process = running(name, _AIRFLOW, *command, folder=folder, env=settings)
            server = stack.enter_context(process)
            if name == "api-server":
                server.wait_until(lambda _: _listens(port))
        server.wait_until(lambda _: CHANGES in made.dags() and "mapped" in made.dags())
        yield made


def _components(port: int) -> Iterator[tuple[str, ...]]:
    """Return the names and the commands of the processes; Airflow 2 needs one alone."""
    if not _IS_AIRFLOW_2:
        address = ("--host", "127.0.0.1", "--port", str(port))
        yield "api-server", "api-server", *address, "--workers", "1"
        yield "dag-processor", "dag-processor"
    yield "scheduler", "scheduler", "--skip-serve-logs"


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _settings(folder: Path, port: int, database: str) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        # Of two processes that add the same asset at once, one fails, and its DAG has no schedule.
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",  # its name in Airflow 2
        "AIRFLOW__API_AUTH__JWT_SECRET": "made-up-secret-that-all-of-them-share",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "TMPDIR": str(folder / "tmp"),
    }
