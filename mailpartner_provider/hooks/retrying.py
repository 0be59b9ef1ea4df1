"""The retry policy of API calls: four tries, backoff with jitter, ``Retry-After`` honoured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import tenacity

from mailpartner_provider.errors import RequestFailed

TRIES = 4
MAX_RETRY_AFTER_SECONDS = 60.0
MAX_WAITING_SECONDS = 150.0

_STOP_SECONDS = 0.2  # how soon a stop is noticed
_backoff = tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 0.5)


def retrying(
    retry_after: Callable[[], float | None],
    raise_if_stopped: Callable[[], None],
    log: logging.Logger,
) -> tenacity.Retrying:
    """Return the policy: up to four tries after RequestFailed, at most 150 s of waiting in all.

    :param retry_after: returns the seconds that the last answer asked to wait, if it did
    :param raise_if_stopped: called while waiting; may raise
    """

    def seconds_to_wait(state: tenacity.RetryCallState) -> float:
        requested = retry_after()
        wait = _backoff(state) if requested is None else min(requested, MAX_RETRY_AFTER_SECONDS)
        return max(0.0, min(wait, MAX_WAITING_SECONDS - state.idle_for))

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            raise_if_stopped()
            time.sleep(min(left, _STOP_SECONDS))

    def log_failure(state: tenacity.RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        seconds = state.next_action.sleep if state.next_action else 0
        log.warning(
            "Try %d of %d failed, retrying in %.1f s: %s",
            state.attempt_number,
            TRIES,
            seconds,
            error,
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RequestFailed),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=seconds_to_wait,
        sleep=sleep,
        before_sleep=log_failure,
        reraise=True,
    )
