"""A whole Airflow, made of the wheel, that runs while it is looked at; nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import requests

from tests.support.bucket import Bucket
from tests.support.waiting import PATIENCE_SECONDS

PROJECT = Path(__file__).parents[3]
CONSTRAINTS = PROJECT / "constraints" / "airflow-3.3.txt"


class Account(NamedTuple):
    """Where the API is, and the key to it."""

    url: str
    key: str


class Site(NamedTuple):
    """Where Airflow is, and who may log in."""

    url: str
    password: str


def build_environment(folder: Path) -> Path:
    """Install the wheel and Airflow 3.3 into an environment of their own; give its programs."""
    wheels, environment = folder / "wheels", folder / "environment"
    uv = [sys.executable, "-m", "uv"]
    _run(*uv, "build", "--wheel", "--out-dir", wheels, PROJECT)
    (wheel,) = wheels.glob("*.whl")
    _run(*uv, "venv", "--python", sys.executable, environment)
    programs = environment / "bin"
    install = [*uv, "pip", "install", "--compile-bytecode", "--python", programs / "python"]
    _run(*install, "--constraint", CONSTRAINTS, f"{wheel}[s3]")
    return programs


@contextmanager
def stand_in(programs: Path, count: int) -> Iterator[Account]:
    """Serve a made-up list, as a user does by hand."""
    command = [programs / "python", "-m", "mailpartner_provider.testing", "--count", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            export = process.stdout.readline()
            connection = json.loads(export.partition("=")[2].strip().strip("'"))
            yield Account(connection["host"], connection["password"])
        finally:
            process.terminate()


@contextmanager
def standalone(programs: Path, folder: Path, bucket: Bucket) -> Iterator[Site]:
    """Run `airflow standalone` on free ports of loopback until it has been looked at.

    :param bucket: where its example DAGs land
    """
    home, log = folder / "home", folder / "standalone.log"
    home.mkdir()
    with log.open("w") as output:
        settings = _settings(programs, home, bucket)
        url = settings["AIRFLOW__API__BASE_URL"]
        process = subprocess.Popen(
            [programs / "airflow", "standalone"],
            env={name: str(value) for name, value in settings.items()},
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )
        try:
            _wait_until_healthy(url, process, log)
            passwords = (home / "simple_auth_manager_passwords.json.generated").read_text()
            yield Site(url, json.loads(passwords)["admin"])
        finally:
            _stop(process)


def _settings(programs: Path, home: Path, bucket: Bucket) -> dict[str, Any]:
    (site_packages,) = (programs.parent / "lib").glob("python*/site-packages")
    port, *log_ports = _free_ports(3)
    url = f"http://127.0.0.1:{port}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "AIRFLOW_HOME": home,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(bucket.connection),
        "AIRFLOW_VAR_MAILPARTNER_BUCKET": bucket.name,
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__CORE__DAGS_FOLDER": site_packages / "mailpartner_provider" / "example_dags",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__CORE__PARALLELISM": 2,
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": False,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": log_ports[0],
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": log_ports[1],
    }


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop Airflow as Ctrl-C does, and then whatever of it is still there."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([*family, process], timeout=20)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            parts = requests.get(f"{url}/api/v2/monitor/health", timeout=5).json().values()
        except (requests.RequestException, ValueError):
            parts = []
        if [part for part in parts if part["status"] == "healthy"][3:]:
            return
        time.sleep(0.5)
    raise AssertionError(f"Airflow did not start:\n{log.read_text()[-4000:]}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]


def _run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
