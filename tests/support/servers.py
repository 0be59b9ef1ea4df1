"""Servers as processes of their own, on free ports of loopback, with data that does not last."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

PATIENCE_SECONDS = 300
_GRACE_SECONDS = 20
_INSTALL = "apt-get install redis-server postgresql"


class Server:
    """A process with all of its children, and what they print."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def wait_until(self, ready: Callable[[str], bool]) -> None:
        """Wait until it is ready, as what it has printed may show."""
        wait_until(lambda: self._process.poll() is not None or ready(self._log.read_text()))
        if self._process.poll() is not None:
            pytest.fail(f"{self._log.name} ended too early:\n{self._log.read_text()[-4000:]}")

    def stop(self) -> None:
        """Terminate it, and kill it when it does not end."""
        self._process.send_signal(signal.SIGINT)  # SIGTERM would have PostgreSQL wait for clients
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kill all of it (SIGKILL), as when its machine is lost."""
        while alive := _alive_in_session(self._process.pid):
            for process in alive:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()


@contextmanager
def running(name: str, *command: str | Path, folder: Path, **arguments: Any) -> Iterator[Server]:
    """Run a server, whose log is ``folder/name.log``, until the block ends, however it does."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **arguments,
        )
    server = Server(process, log)
    try:
        yield server
    finally:
        server.stop()


def run(*command: str | Path, folder: Path, **arguments: Any) -> None:
    """Run a program to its end; the test fails with what it printed if the program does."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **arguments,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL with an empty database; return its URL."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, default=None)
    if programs is None:
        pytest.fail(f"PostgreSQL is missing: {_INSTALL}")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to be root's
    with tempfile.TemporaryDirectory(prefix="mailpartner-postgresql-") as name:
        folder, port = Path(name), free_port()
        if user:
            shutil.chown(folder, user)
        command = [programs / "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8"]
        run(*command, "--no-sync", "--pgdata=data", folder=folder, user=user)
        command = [programs / "postgres", "-D", "data", "-p", str(port), "-c", "fsync=off"]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with running("postgresql", *command, folder=folder, user=user) as server:
            server.wait_until(lambda log: "ready to accept connections" in log)
            yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that keeps nothing; return its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail(f"Redis is missing: {_INSTALL}")
    with tempfile.TemporaryDirectory(prefix="mailpartner-redis-") as name:
        port = free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        with running("redis", *command, folder=Path(name)) as server:
            server.wait_until(lambda log: "Ready to accept connections" in log)
            yield f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(met: Callable[[], bool], seconds_between: float = 0.1) -> None:
    """Wait for a condition; the test fails where it is never met."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() < began + PATIENCE_SECONDS, "waited in vain"
        time.sleep(seconds_between)


def _alive_in_session(leader: int) -> list[psutil.Process]:
    """List the processes of a session; a task that runs is in a process group of its own."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _version(programs: Path) -> int:
    return int(programs.parent.name)
