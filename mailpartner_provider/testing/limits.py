"""The API's limit on calls, over any sliding minute."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from mailpartner_provider.testing.answers import Answer

_MINUTE = 60.0


class RateLimit:
    """Allows a number of calls in any minute, and refuses more with HTTP 429.

    :param per_minute: the number of calls; None: no limit
    :param clock: returns seconds
    """

    def __init__(
        self, per_minute: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute = per_minute
        self.clock = clock
        self.asked_at: list[float] = []
        self._answered_at: deque[float] = deque()

    def record(self) -> Answer | None:
        """Record a call; return its refusal if there were too many in the last minute."""
        now, answered = self.clock(), self._answered_at
        self.asked_at.append(now)
        while answered and answered[0] <= now - _MINUTE:
            answered.popleft()
        if self.per_minute is not None and len(answered) >= self.per_minute:
            seconds = answered[0] + _MINUTE - now if answered else _MINUTE
            after = {"Retry-After": str(math.ceil(seconds))}
            members = {"success": False, "code": 429, "message": "Trop de requêtes"}
            return Answer(members, 429, after)
        answered.append(now)
        return None
