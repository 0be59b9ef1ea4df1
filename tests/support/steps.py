"""Work in a destination that can be stopped before any of its steps: operations of the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

from mailpartner_provider.lake.storage import Destination
from tests.support.waiting import PATIENCE_SECONDS

CHANGES = ("publish", "remove")
STEPS = ("read", "fetch", "info", "list_folder", "list_files", *CHANGES)


class Stepwise:
    """A destination that announces each step before it takes it.

    :param announce: called before each step; may stand still, or kill the process
    :param wait: called instead of what work does while another one holds its lock
    """

    def __init__(
        self,
        destination: Destination,
        announce: Callable[[], None],
        *,
        steps: tuple[str, ...] = STEPS,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self._destination = destination
        self._announce = announce
        self._steps = steps
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._destination, name)
        if name not in self._steps:
            return found

        def step(*arguments: Any) -> Any:
            self._announce()
            return found(*arguments)

        return step

    def locked(self, raise_if_stopped: Callable[[], None]) -> AbstractContextManager[None]:
        return self._destination.locked(self._wait or raise_if_stopped)


class Writer:
    """Work in a destination, in a thread of its own, that goes on only when it is told to."""

    def __init__(self, work: Callable[[Any], object], destination: Destination) -> None:
        self.has_ended = False
        self._work = work
        self._destination = Stepwise(destination, self._step, wait=self._stand)
        self._left = 0.0
        self._go_on, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def go_on(self, steps: float = float("inf")) -> bool:
        """Take some steps; return False if the work has ended, or waits for a lock, before."""
        if not self.has_ended:
            self._left = steps
            self._go_on.release()
            assert self._stands.acquire(timeout=PATIENCE_SECONDS), "waited in vain"
        if self._error:
            raise self._error
        return not (self.has_ended or self._left)

    def _run(self) -> None:
        self._go_on.acquire()
        try:
            self._work(self._destination)
        except BaseException as error:
            self._error = error
        self.has_ended = True
        self._stands.release()

    def _step(self) -> None:
        if not self._left:
            self._stand()
        self._left -= 1

    def _stand(self) -> None:
        self._stands.release()
        self._go_on.acquire()


def meetings(
    begin: Callable[[], tuple[Writer, Writer]], every: int = 1
) -> Iterator[tuple[int, int]]:
    """Let two writers meet at each pair of their steps; yield the pair once both have ended.

    The first one takes some steps, then the other one; then each goes on to its end.

    :param begin: begins both, each time from the same start
    :param every: stop each at every n-th of its steps only
    """
    for first in count(0, every):
        for second in count(1 + first // every % every, every):
            one, other = begin()
            one_stood = one.go_on(first)
            both_stood = other.go_on(second) and one_stood
            while not (one.has_ended and other.has_ended):
                one.go_on()
                other.go_on()
            yield first, second
            if not both_stood:
                break
        if not one_stood:
            break
