"""The pace of calls: a limit on the calls in any minute, evenly spread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0

_STOP_SECONDS = 0.2  # how soon a stop is noticed


class Pace:
    """A bucket of ``per_minute`` tokens: a call takes one, and returns it a minute after its end.

    A call reaches the server between its beginning and its end, so the server sees no more calls in
    any minute either. Calls are evenly spread, and the first one waits too, so that the limit also
    holds after a restart, when the calls of the last minute are unknown.

    :param clock: returns seconds
    :param sleep: waits for seconds
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_minute = per_minute
        self.clock = clock
        self._sleep = sleep
        self._interval = MINUTE / per_minute
        self._next = clock() + 2 * self._interval
        self._ended: deque[float] = deque(maxlen=per_minute)

    def wait(self, raise_if_stopped: Callable[[], None]) -> None:
        """Wait until the next call may begin.

        :param raise_if_stopped: called while waiting; may raise
        """
        raise_if_stopped()
        is_full = len(self._ended) == self.per_minute
        begin = max(self._next, self._ended[0] + MINUTE) if is_full else self._next
        while (left := begin - self.clock()) > 0:
            self._sleep(min(left, _STOP_SECONDS))
            raise_if_stopped()
        self._next = max(begin, self.clock()) + self._interval

    def end(self) -> None:
        """Record that the call has ended, however it did."""
        self._ended.append(self.clock())
