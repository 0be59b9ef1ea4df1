"""An Airflow 3 on PostgreSQL and Redis, whose tasks run on Celery workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import requests

from tests.support.days import PARIS
from tests.support.servers import (
    Server,
    free_port,
    postgresql,
    redis,
    run,
    running,
    wait_until,
)

SLOTS_A_WORKER = 2
POOL_SLOTS = 3  # fewer than two workers have

_PROJECT = Path(__file__).parents[3]
_CONFIG = Path(__file__).parent / "config"
_AIRFLOW = Path(sys.executable).parent / "airflow"
_HEARTBEAT_TIMEOUT_SECONDS = 20


class Run(NamedTuple):
    """What Airflow says of a run that has ended."""

    state: str
    day: str
    seconds: float
    tasks: list[dict[str, Any]]

    @property
    def landings(self) -> list[dict[str, Any]]:
        """The tasks that land, one for each account."""
        return [task for task in self.tasks if task["map_index"] >= 0]


class Cluster:
    """An api-server, a scheduler and a dag-processor with one DAG; workers come and go."""

    def __init__(self, dag_id: str, url: str, folder: Path, settings: Mapping[str, str]) -> None:
        self._dag = f"dags/{dag_id}"
        self._url = url
        self._folder = folder
        self._settings = settings
        self._numbers = count(1)

    @contextmanager
    def servers(self) -> Iterator[None]:
        """Run all of it but the workers, with a pool for the landings."""
        port = self._url.rpartition(":")[2]
        with (
            self._component("api-server", "api-server", "--host", "127.0.0.1", "--port", port),
            self._component("dag-processor", "dag-processor"),
            self._component("scheduler", "scheduler", "--skip-serve-logs") as scheduler,
        ):
            scheduler.wait_until(lambda _: self._is_ready())
            self._ask("POST", "pools", name="mailpartner", slots=POOL_SLOTS)
            self._ask("PATCH", self._dag, is_paused=False)
            yield

    @contextmanager
    def workers(self, number: int) -> Iterator[list[Server]]:
        """Run so many Celery workers."""
        with ExitStack() as stack:
            names = [f"worker{next(self._numbers)}" for _ in range(number)]
            workers = [stack.enter_context(self._worker(name)) for name in names]
            for name, worker in zip(names, workers, strict=True):
                worker.wait_until(lambda log, name=name: f"{name} ready" in log)
            yield workers

    def begin(self) -> str:
        """Start a run for today; give its address."""
        now = datetime.now(timezone.utc).isoformat()
        run = self._ask("POST", f"{self._dag}/dagRuns", logical_date=now)
        return f"{self._dag}/dagRuns/{run['dag_run_id']}"

    def end(self, address: str) -> Run:
        """Wait for the end of a run."""
        wait_until(lambda: self._ask("GET", address)["state"] in ("success", "failed"), 1)
        run = self._ask("GET", address)
        day = datetime.fromisoformat(run["logical_date"]).astimezone(PARIS).date()
        tasks = self._ask("GET", f"{address}/taskInstances?limit=100")["task_instances"]
        return Run(run["state"], str(day), run["duration"], tasks)

    def log(self) -> str:
        """Read what all of it has logged, tasks included."""
        return "".join(path.read_text(errors="replace") for path in self._folder.rglob("*.log"))

    def scratch(self) -> list[Path]:
        """List what landings have left where they finish files."""
        return list((self._folder / "tmp").glob(".mailpartner-landing-*"))

    def _component(self, name: str, *command: str | Path) -> AbstractContextManager[Server]:
        return running(name, _AIRFLOW, *command, folder=self._folder, env=self._settings)

    def _worker(self, name: str) -> AbstractContextManager[Server]:
        identity = ("--celery-hostname", name, "--pid", self._folder / f"{name}.pid")
        slots = ("--concurrency", str(SLOTS_A_WORKER))
        return self._component(name, "celery", "worker", "--skip-serve-logs", *identity, *slots)

    def _is_ready(self) -> bool:
        try:
            self._ask("GET", self._dag)
            health = self._ask("GET", "monitor/health")
        except requests.RequestException:
            return False
        return health["scheduler"]["status"] == "healthy"

    def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        url = f"{self._url}/api/v2/{path}"
        answer = requests.request(method, url, json=body or None, timeout=60)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def cluster(dag_id: str, folder: Path, **more_settings: str) -> Iterator[Cluster]:
    """Run an Airflow without workers, which knows the examples."""
    (folder / "tmp").mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    with postgresql() as database, redis() as broker:
        settings = {**os.environ, **_settings(folder, url, database, broker), **more_settings}
        run(_AIRFLOW, "db", "migrate", folder=folder, env=settings)
        made = Cluster(dag_id, url, folder, settings)
        with made.servers():
            yield made


def _settings(folder: Path, url: str, database: str, broker: str) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(_PROJECT / "dags_examples"),
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "made-up-secret-that-all-of-them-share",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(_HEARTBEAT_TIMEOUT_SECONDS),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "PYTHONPATH": str(_CONFIG),
        "TMPDIR": str(folder / "tmp"),
    }
