"""Real runs of a DAG, by hand or by Airflow's own scheduler, in this process.

Whatever differs between the lines of Airflow stands in this module and nowhere else.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airflow import __version__, settings
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job, run_job
from airflow.listeners import hookimpl
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.state import State

from mailpartner_provider.compat import Stats
from tests.support.sdk import DAG
from tests.support.waiting import PATIENCE_SECONDS

AIRFLOW = tuple(int(part) for part in __version__.split(".")[:2])

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 3.1 and earlier
    from airflow.listeners.listener import get_listener_manager

_dags: dict[str, DAG] = {}


class Run(NamedTuple):
    """What Airflow's metadata database says of a run that has ended."""

    dag_run: DagRun
    tasks: dict[str, TaskInstance]

    @property
    def states(self) -> dict[str, str]:
        """The state of every task."""
        return {task_id: str(task.state) for task_id, task in self.tasks.items()}


def run_by_hand(dag: DAG, logical_date: datetime | None, **more: Any) -> Run:
    """Run a DAG as ``dag.test()`` does; Airflow 3 knows runs without a logical date."""
    _save(dag)
    if AIRFLOW < (3,):
        more["execution_date"] = logical_date
    else:
        more["logical_date"] = logical_date
    with _process_kept():
        run_id = dag.test(**more).run_id
    (run,) = (run for run in runs_of(dag) if run.dag_run.run_id == run_id)
    return run


def run_by_scheduler(*dags: DAG, count: int | None = None) -> list[Run]:
    """Run Airflow's scheduler on these DAGs alone until they have run ``count`` times, by default
    each once; return the runs."""
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    for dag in dags:
        _save(dag)
    _pause_all_but(dags)
    began = time.monotonic()
    with _settings_of_a_scheduler(), _process_kept():
        while time.monotonic() < began + PATIENCE_SECONDS:
            scheduler = SchedulerJobRunner(Job(), num_runs=3, scheduler_idle_sleep_time=0)
            run_job(scheduler.job, scheduler._execute)
            runs = [run for dag in dags for run in runs_of(dag)]
            ended = [run for run in runs if run.dag_run.state in State.finished]
            if len(ended) == len(runs) == (count or len(dags)):
                return runs
            time.sleep(0.1)  # SQLite knows the time to the second
    raise AssertionError(f"no end after {PATIENCE_SECONDS} seconds: {runs}")


def runs_of(dag: DAG) -> list[Run]:
    """Look up the runs of a DAG."""
    return [
        Run(dag_run, {task.task_id: task for task in dag_run.get_task_instances()})
        for dag_run in DagRun.find(dag_id=dag.dag_id)
    ]


def links_of(run: Run, task_id: str) -> dict[str, str | None]:
    """Return the links of a task, as Airflow's pages do: of the DAG that its database has."""
    task = SerializedDagModel.get_dag(run.dag_run.dag_id).get_task(task_id)
    return {name: task.get_extra_links(run.tasks[task_id], name) for name in task.extra_links}


def load(file: Path) -> DAG:
    """Read the one DAG of a file."""
    (dag,) = load_all(file)
    return dag


def load_all(file: Path) -> list[DAG]:
    """Read the DAGs of a file."""
    return list(_bag(file).dags.values())


@contextmanager
def failures_heard(hear: Callable[[BaseException], object]) -> Iterator[None]:
    """Call a function with the error of every failed task, which Airflow 3.1 gives to listeners."""
    listener = _Listener(hear)
    listeners = get_listener_manager().pm
    listeners.register(listener)
    try:
        yield
    finally:
        listeners.unregister(listener)


class _Listener:
    def __init__(self, hear: Callable[[BaseException], object]) -> None:
        self.hear = hear

    @hookimpl
    def on_task_instance_failed(self, error: BaseException) -> None:
        self.hear(error)


class ThisProcess(BaseExecutor):
    """Runs every task here and now, as ``dag.test()`` does; Airflow finds it by its name."""

    is_single_threaded = True  # which Airflow 2 asks of an executor beside SQLite

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: list[Any] = []

    def execute_async(self, key: Any, *args: Any, **kwargs: Any) -> None:
        """Queue a task of Airflow 2."""
        self._waiting.append(key)

    if (3,) <= AIRFLOW < (3, 1):  # which leaves this to each executor

        def queue_workload(self, workload: Any, session: Any) -> None:
            self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, workloads: Any) -> None:
        """Queue tasks of Airflow 3."""
        for workload in workloads:
            del self.queued_tasks[workload.ti.key]
            self.running.add(workload.ti.key)
            self._waiting.append(workload.ti)

    def sync(self) -> None:
        while self._waiting:
            task = self._waiting.pop()
            _run_task(task)
            self.success(task.key)  # it has ended, however it did

    def end(self) -> None:
        """Nothing to end."""


if AIRFLOW < (3,):
    # Lineage's threads leave their sessions to the garbage collector. It comes when it likes, also
    # while Python 3.11 parses a module, which fails when a traceback is formatted at the same time.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

    def start_metrics() -> None:
        """Start sending metrics, as in a task's process; Airflow 2 does so by itself."""

    def _bag(files: Any) -> Any:
        from airflow.models import DagBag

        return DagBag(files, include_examples=False)

    def _save(dag: DAG) -> None:
        bag = _bag(os.devnull)
        bag.bag_dag(dag, root_dag=dag)
        bag.sync_to_db()
        _dags[dag.dag_id] = dag

    def _run_task(key: Any) -> None:
        session = settings.Session()
        task = session.query(TaskInstance).filter(TaskInstance.filter_for_tis([key])).one()
        task.task = _dags[key.dag_id].get_task(key.task_id)
        try:
            task.run(session=session)
        except Exception:  # Airflow has noted the state
            session.commit()

else:
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        from airflow.models.dagbag import DagBag

        try:
            from airflow.models.dagbag import sync_bag_to_db
        except ImportError:  # Airflow 3.0

            def sync_bag_to_db(bag: Any, bundle: str, version: str | None) -> None:
                bag.sync_to_db(bundle, version)

    def _bag(files: Any) -> Any:
        return DagBag(files)

    def _save(dag: DAG) -> None:
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        DagBundlesManager().sync_bundles_to_db()
        bag = _bag(os.devnull)
        dag.relative_fileloc = "runs.py"  # Airflow 3.1 wants one
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        _dags[dag.dag_id] = dag

    def start_metrics() -> None:
        """Start sending metrics, as in a task's process."""
        try:
            from airflow.sdk.execution_time.task_runner import stats_utils
        except ImportError:  # Airflow 3.1 and 3.0 do so by themselves
            return
        if AIRFLOW < (3, 3):
            Stats.initialize(factory=stats_utils.get_stats_factory(Stats))
            return
        from airflow.sdk.execution_time.task_runner import stats

        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)

    def _run_task(task: Any) -> None:
        from airflow.sdk.execution_time.supervisor import run_task_in_process

        run_task_in_process(task, _dags[task.dag_id].get_task(task.task_id))


def _pause_all_but(dags: tuple[DAG, ...]) -> None:
    paused = DagModel.dag_id.not_in([dag.dag_id for dag in dags])
    with settings.Session() as session:
        session.query(DagModel).update({DagModel.is_paused: paused}, synchronize_session=False)
        session.commit()


@contextmanager
def _settings_of_a_scheduler() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__CORE__EXECUTOR", f"{__name__}.{ThisProcess.__name__}")
        environment.setenv("AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR", "True")  # so start none
        environment.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as it would set for good
        yield


@contextmanager
def _process_kept() -> Iterator[None]:
    """Restore the signal handlers and the environment variables that Airflow replaces."""
    signals = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
    handlers = {each: signal.getsignal(each) for each in signals}
    variables = dict(os.environ)
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
