"""Retried calls in which every try keeps a pace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.pushes.pace import Pace

_T = TypeVar("_T")
_R = TypeVar("_R")


def paced(hook: MailPartnerHook, pace: Pace, once: Callable[[_T], _R]) -> Callable[[_T], _R]:
    """Return a call that is retried by the hook's policy, every try at the pace.

    :param once: a method of the hook that calls the API once
    """

    def attempt(argument: _T) -> _R:
        pace.wait(hook.raise_if_stopped)
        try:
            return once(argument)
        finally:
            pace.end()

    return lambda argument: hook.attempts()(attempt, argument)
