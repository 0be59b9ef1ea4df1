"""Names of Airflow that live in different places on its supported lines."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

# In order: Airflow 3.2 and later, Airflow 3.0 and 3.1, Airflow 2.
_MODULES_WITH_MASK_SECRET = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def mask_secret(secret: str) -> None:
    """Register a secret with Airflow's log masker."""
    _mask_secret()(secret)


def _mask_secret() -> Callable[[str], None]:
    for module in _MODULES_WITH_MASK_SECRET:
        try:
            found: Callable[[str], None] = import_module(module).mask_secret
        except (ImportError, AttributeError):
            continue
        return found
    raise ImportError("this Airflow has no mask_secret in any known module")
