"""The parameters of a landing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.lake.layouts import SNAPSHOT
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.privacy.hashing import EmailMode


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a snapshot must satisfy to be published."""

    on_empty: str = "write"
    max_rejected: int = 0
    max_shrink: float | None = 0.5


class SnapshotRequest(NamedTuple):
    """The parameters of one landing.

    ``renamed_from`` returns the id that the connection had before it was renamed, if it was.
    """

    day: date
    zone: ZoneInfo
    destination: Destination
    limits: Limits = Limits()
    run: TaskRun = TaskRun()
    email_mode: EmailMode = EmailMode()
    partition_by: str = SNAPSHOT
    keep_days: int | None = None
    renamed_from: Callable[[], str | None] = lambda: None
