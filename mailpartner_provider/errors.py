"""The errors of this package, sorted by what the caller should do about them.

MailPartnerError
├── RequestRefused    stop: asking again cannot help (wrong key, blocked account, bad connection)
├── WrongArgument     stop: an argument asks for something impossible
├── RequestFailed     try again: something failed on the way (time-out, 5xx, truncated answer)
│   └── Conflict      another landing changed the destination since this one was planned
├── BadData           look at it: a complete answer arrived that must not be landed as it is
│   └── UnknownPartition  no receipt vouches for a partition, even after more tries
├── NothingToLand     skip: there is nothing to land, and that is no failure
└── LandingStopped    nothing: the task was stopped

Their texts carry counts, codes, days and paths; never a key, an address, a query or a body.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date


class MailPartnerError(Exception):
    """The base class of everything that this package reports.

    :param message: the cause, then the cure
    :param conn_id: the Airflow connection that was used, if one was
    :param call: the API call, such as ``unsubscribe/list``
    :param code: the ``code`` of the API's answer
    :param status: the HTTP status
    :param day: the day that was to be landed
    """

    def __init__(
        self,
        message: str,
        *,
        conn_id: str | None = None,
        call: str | None = None,
        code: int | None = None,
        status: int | None = None,
        day: date | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.conn_id = conn_id
        self.call = call
        self.code = code
        self.status = status
        self.day = day

    def __str__(self) -> str:
        return f"connection {self.conn_id}: {self.message}" if self.conn_id else self.message


class RequestRefused(MailPartnerError):
    """The API refused, or the connection cannot be used: stop."""


class WrongArgument(MailPartnerError):
    """An argument asks for something impossible: stop."""


class RequestFailed(MailPartnerError):
    """Something failed on the way: try again."""


class Conflict(RequestFailed):
    """Another landing changed the destination since this one was planned: land again."""


class BadData(MailPartnerError):
    """The answer is complete, but landing it would be wrong: look at it."""


class UnknownPartition(BadData, RequestFailed):
    """No receipt vouches for a partition: another task is publishing it, or look at it."""


class NothingToLand(MailPartnerError):
    """There is nothing to land, and that is no failure: skip the task."""


class LandingStopped(MailPartnerError):
    """The task was stopped; nothing more was published."""


@contextmanager
def naming_connection(conn_id: str) -> Iterator[None]:
    """Add the connection to every error that is raised in the context without one."""
    try:
        yield
    except MailPartnerError as error:
        error.conn_id = error.conn_id or conn_id
        raise


@contextmanager
def clear_frame_locals() -> Iterator[None]:
    """Clear the local variables in the traceback of every error raised in the context.

    They contain the key, bodies and records, and tools such as Sentry show them.
    """
    try:
        yield
    except BaseException as error:
        chain: list[BaseException | None] = [error]
        for each in chain:
            if each:
                traceback.clear_frames(each.__traceback__)
                chain += {each.__cause__, each.__context__}.difference(chain)
        raise
