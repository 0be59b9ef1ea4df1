"""A few threads that read stores, so that one that does not respond delays nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

READERS, THREAD = 16, "mailpartner-page"


class Readers:
    """A few threads that call functions; callers who ask for the same call at once share one.

    So a store that does not respond occupies one thread, not one for each user of the page. The
    threads are daemons, and do not delay the end of the process.
    """

    def __init__(self, count: int = READERS) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._questions: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = (
            SimpleQueue()
        )
        self._asked: dict[object, Future[Any]] = {}
        self._lock = threading.Lock()

    def ask(self, read: Callable[..., Any], *about: Any) -> Future[Any]:
        """Call a function in a thread, or join the same call if there is one; return its future."""
        key = (read, about)
        with self._lock:
            if key in self._asked:
                return self._asked[key]
            answer: Future[Any] = Future()
            self._asked[key] = answer
            if len(self._threads) < self._count:
                self._threads.append(threading.Thread(target=self._work, name=THREAD, daemon=True))
                self._threads[-1].start()
        self._questions.put((answer, read, about))
        return answer

    def _work(self) -> None:
        while True:
            answer, read, about = self._questions.get()
            try:
                result, error = read(*about), None
            except Exception as caught:
                result, error = None, caught
            with self._lock:
                del self._asked[read, about]
            if error:
                answer.set_exception(error)
            else:
                answer.set_result(result)
