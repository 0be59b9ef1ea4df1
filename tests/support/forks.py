"""Processes that begin at once: a server that has imported everything forks when asked to."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from itertools import count

from tests.support.waiting import PATIENCE_SECONDS

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "aiobotocore.session",
        "airflow.models.dag",
        "airflow.providers.amazon.aws.fs.s3",
        "mailpartner_provider.hooks.mailpartner",
        "mailpartner_provider.operators.arguments",
        "s3fs",
        "tests.support.created",
        "tests.support.deadly",
        "tests.support.erasing",
        "tests.support.processes",
        "tests.support.pushing",
        "tests.support.stepwise_iceberg",  # where pyiceberg is installed
    ]
)


def was_killed(work: Callable[..., object], *arguments: object) -> bool:
    """Call a function in a process of its own; return whether it was killed."""
    process = FORKS.Process(target=work, args=arguments)
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def kill_after(steps: int) -> Callable[..., None]:
    """Return a function that may be called so many times; the next call kills the process."""
    numbers = count()

    def step(*_: object) -> None:
        if next(numbers) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    return step
