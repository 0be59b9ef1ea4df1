"""The names of Airflow that live in different places on its two lines."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

# In the order of the lines: Airflow 3.2 and later, Airflow 3.0 and 3.1, Airflow 2.
_HOMES_OF_MASK_SECRET = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def mask_secret(secret: str) -> None:
    """Have Airflow take a text out of all logs."""
    _mask_secret()(secret)


def _mask_secret() -> Callable[[str], None]:
    for home in _HOMES_OF_MASK_SECRET:
        try:
            found: Callable[[str], None] = import_module(home).mask_secret
        except (ImportError, AttributeError):
            continue
        return found
    raise ImportError("this Airflow has no mask_secret in any known place")
