"""Work in a destination that is killed before one of its steps."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from mailpartner_provider.lake.local import LocalFolder
from tests.support.forks import FORKS
from tests.support.steps import CHANGES, Stepwise
from tests.support.waiting import PATIENCE_SECONDS


def kill(work: Callable[[Any], object], folder: Path, steps: int) -> None:
    """Do some work in a folder in a process of its own, which is killed once it has published or
    removed so many files, before the next."""
    process = FORKS.Process(target=_work, args=(work, folder, steps))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert -signal.SIGKILL == process.exitcode


def _work(work: Callable[[Any], object], folder: Path, steps: int) -> None:
    numbers = count()

    def announce() -> None:
        if next(numbers) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    work(Stepwise(LocalFolder(folder), announce, steps=CHANGES))
