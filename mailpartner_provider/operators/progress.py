"""Progress of a long download, or of a long push, logged every few seconds."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from mailpartner_provider.words import counted

if TYPE_CHECKING:
    from mailpartner_provider.api.stream import UnsubscribeStream


class ProgressLog:
    """Logs how much of a list has been received, at most once in so many seconds."""

    def __init__(self, log: logging.Logger, seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self._stream: UnsubscribeStream | None = None
        self._last_logged = 0.0

    def report(self, stream: UnsubscribeStream) -> None:
        now = time.monotonic()
        if stream is not self._stream:  # the first try, or another one
            self._stream = stream
            self._last_logged = now
        if now - self._last_logged < self._seconds:
            return
        self._last_logged = now
        rate = stream.received / stream.seconds
        if stream.declared and stream.declared >= stream.received:
            self._log.info(
                "Received %d of %d declared records (%d %%), %d a second, %d s left",
                stream.received,
                stream.declared,
                100 * stream.received // stream.declared,
                rate,
                (stream.declared - stream.received) / rate,
            )
        else:
            received = counted(stream.received, "record")
            self._log.info("Received %s, %d a second", received, rate)


class PushProgress:
    """Logs how many people were pushed, at most once in so many seconds."""

    def __init__(self, log: logging.Logger, seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self._began = self._last_logged = time.monotonic()

    def report(self, pushed: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last_logged < self._seconds:
            return
        self._last_logged = now
        each = (now - self._began) / pushed
        self._log.info(
            "Pushed %d of %d opt-outs (%d %%), %d a minute, %d s left",
            pushed,
            total,
            100 * pushed // total,
            60 / each,
            (total - pushed) * each,
        )
