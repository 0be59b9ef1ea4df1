"""Work in a destination that is killed before one of its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailpartner_provider.lake.local import LocalFolder
from tests.support.forks import kill_after, was_killed
from tests.support.steps import CHANGES, Stepwise


def kill(work: Callable[[Any], object], folder: Path, steps: int) -> None:
    """Do some work in a folder in a process of its own, which is killed once it has published or
    removed so many files, before the next."""
    assert was_killed(_work, work, folder, steps)


def _work(work: Callable[[Any], object], folder: Path, steps: int) -> None:
    work(Stepwise(LocalFolder(folder), kill_after(steps), steps=CHANGES))
