"""Work in a destination that is killed before one of its steps."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from mailpartner_provider.lake.local import LocalFolder
from tests.support.forks import FORKS
from tests.support.waiting import PATIENCE_SECONDS


def kill(work: Callable[[LocalFolder], object], folder: Path, steps: int) -> None:
    """Do some work in a folder in a process of its own, which is killed after some steps."""
    process = FORKS.Process(target=_work, args=(work, folder, steps))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert -signal.SIGKILL == process.exitcode


def _work(work: Callable[[LocalFolder], object], folder: Path, steps: int) -> None:
    work(_Deadly(folder, steps))


class _Deadly(LocalFolder):
    """A folder in which some files can be published or removed; one more kills the process."""

    def __init__(self, root: Path, steps: int) -> None:
        super().__init__(root)
        self._left = steps

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        self._step()
        return super().publish(file, name, expected)

    def remove(self, name: str, expected: str) -> None:
        self._step()
        super().remove(name, expected)

    def _step(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
