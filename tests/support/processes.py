"""Landings in processes of their own, which stop at any of their steps, to be killed there."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

import time_machine

from tests.support.days import today
from tests.support.forks import FORKS
from tests.support.landing import land
from tests.support.waiting import PATIENCE_SECONDS

_STEPS = {
    "fcntl.flock",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "shutil.rmtree",
    "socket.connect",
    "tempfile.mkdtemp",
}
_STEPS_IN_A_PLACE = {"open", "os.listdir", "os.scandir"}  # elsewhere, Python does it for itself


class Process:
    """A landing that is under way."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe

    def stands(self) -> bool:
        """Wait until the landing stands at its step; False when it has ended before."""
        assert self._pipe.poll(PATIENCE_SECONDS), "waited in vain"
        try:
            return bool(self._pipe.recv_bytes())
        except EOFError:
            return False

    def go_on(self) -> None:
        """Continue with the step, and all that follow."""
        self._pipe.send_bytes(b"go on")

    def kill(self) -> None:
        """Kill it for good (SIGKILL), wherever it is."""
        self._process.kill()

    def end(self, patience_seconds: float = PATIENCE_SECONDS) -> int | None:
        """Wait for its end; return its exit code, or the negative number of what killed it."""
        self._process.join(patience_seconds)
        return self._process.exitcode


def landing(
    destination: str,
    *,
    stand_at: int = 0,
    prepare: Callable[[], object] = int,
    **arguments: Any,
) -> AbstractContextManager[Process]:
    """Land in another process, which stands still before one of its steps.

    :param stand_at: the number of that step, from 1; 0 for none
    :param prepare: what the process does first
    """
    arguments.setdefault("snapshot_date", str(today()))
    return working(land, destination, stand_at=stand_at, prepare=prepare, **arguments)


@contextmanager
def working(
    work: Callable[..., object],
    destination: str,
    *,
    stand_at: int = 0,
    prepare: Callable[[], object] = int,
    **arguments: Any,
) -> Iterator[Process]:
    """Do other work with a destination in the same way."""
    ours, theirs = FORKS.Pipe()
    settings = {
        name: value for name, value in os.environ.items() if name.startswith(("AIRFLOW", "GCSFS"))
    }
    process = FORKS.Process(
        target=_work,
        args=(
            work,
            destination,
            arguments,
            settings,
            tempfile.gettempdir(),
            prepare,
            stand_at,
            theirs,
        ),
    )
    process.start()
    theirs.close()
    try:
        yield Process(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()


def write_at_most(size: int) -> None:
    """Kill this process in the middle of the write that makes a file longer than this."""
    silence = os.open(os.devnull, os.O_WRONLY)  # its own output may be a file, too
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def travel(to: datetime) -> None:
    """Set the clock of this process."""
    time_machine.travel(to).start()


def start_forks() -> None:
    """Start the fork server, which imports and makes files of its own, before a test begins."""
    process = FORKS.Process(target=int)
    process.start()
    process.join()


def _work(
    work: Callable[..., object],
    destination: str,
    arguments: dict[str, Any],
    settings: dict[str, str],
    temporary: str,
    prepare: Callable[[], object],
    stand_at: int,
    pipe: Connection,
) -> None:
    os.environ.update(settings)
    tempfile.tempdir = temporary
    prepare()
    if stand_at:
        _stand_at(stand_at, (temporary, destination), pipe)
    work(destination, **arguments)


def _stand_at(number: int, places: tuple[str, ...], pipe: Connection) -> None:
    """Stand still before the n-th thing that this process does to a file or to the network."""
    numbers = count(1)

    def heard(event: str, about: tuple[Any, ...]) -> None:
        in_a_place = event in _STEPS_IN_A_PLACE and str(about[0]).startswith(places)
        if (in_a_place or event in _STEPS) and next(numbers) == number:
            pipe.send_bytes(event.encode())
            pipe.recv_bytes()

    sys.addaudithook(heard)
