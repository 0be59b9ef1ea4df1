"""Wrong arguments of operators that load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import WrongArgument


def refused(loading: Callable[..., Any], source: Any, arguments: dict[str, Any], problem: str):
    """A wrong argument fails while the DAG is parsed; one that a template gave fails the task."""
    with pytest.raises(WrongArgument, match=f"^{problem}"):
        loading(**{"source": source, **arguments})

    task = loading(source, account="hats")
    vars(task).update(arguments)
    with pytest.raises(AirflowFailException, match=f"^{problem}"):
        task.execute({})
