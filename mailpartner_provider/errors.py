"""What can go wrong, sorted by what the caller should do about it.

MailPartnerError
├── RequestRefused    stop: asking again cannot mend it (wrong key, blocked account, bad connection)
├── WrongArgument     stop: an argument says what cannot be done
├── RequestFailed     try again: something broke on the way (time-out, 5xx, truncated answer)
├── BadData           look at it: a whole answer arrived that must not be landed as it is
└── LandingStopped    nothing: somebody stopped the task

Their texts carry counts, codes, days and places; never a key, an address, a query or a body.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class MailPartnerError(Exception):
    """Anything that this package reports about the API or its answer."""


class RequestRefused(MailPartnerError):
    """The API said no, or the connection cannot be used: stop."""


class WrongArgument(MailPartnerError):
    """An argument of the operator says what cannot be done: stop."""


class RequestFailed(MailPartnerError):
    """Something broke on the way: try again."""


class BadData(MailPartnerError):
    """The answer is whole, but landing it would be wrong: look at it."""


class LandingStopped(MailPartnerError):
    """Somebody stopped the task; nothing more was published."""


@contextmanager
def without_variables() -> Iterator[None]:
    """Let an error pass with its traceback, but without the variables of the calls that it ended.

    Sentry and others show them, and they hold the key, bodies and records.
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
