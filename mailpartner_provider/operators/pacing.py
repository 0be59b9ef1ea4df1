"""What operators share that call the API once for each person."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from mailpartner_provider.operators.base import HookOperator

if TYPE_CHECKING:
    from mailpartner_provider.pushes.pace import Pace

_T = TypeVar("_T")
_R = TypeVar("_R")


class PacedOperator(HookOperator):
    """An operator whose calls keep a pace, including retries, and end when the task is stopped."""

    per_minute: int | str

    def on_kill(self) -> None:
        """Stop the calls; another try of the task makes those that are left."""
        self.hook.stop()

    @cached_property
    def pace(self) -> Pace:
        """The pace of the calls, made when first used."""
        from mailpartner_provider.operators.arguments import read_count
        from mailpartner_provider.pushes.pace import Pace

        return Pace(read_count(self.per_minute, "per_minute", least=1))

    def _paced(self, once: Callable[[_T], _R]) -> Callable[[_T], _R]:
        """Return a call that is retried by the hook's policy, every try at the pace.

        :param once: a method of the hook that calls the API once
        """

        def attempt(argument: _T) -> _R:
            self.pace.wait(self.hook.raise_if_stopped)
            try:
                return once(argument)
            finally:
                self.pace.end()

        return lambda argument: self.hook.attempts()(attempt, argument)
