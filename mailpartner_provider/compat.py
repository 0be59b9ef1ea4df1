"""Names of Airflow that live in different places on its supported lines."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

# In order: Airflow 3.2 and later, Airflow 3.0 and 3.1, Airflow 2.
_MODULES_WITH_MASK_SECRET = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def mask_secret(secret: str) -> None:
    """Register a secret with Airflow's log masker."""
    _mask_secret()(secret)


def file_system(scheme: str, conn_id: str | None) -> Any:
    """Open the file system of an object store anew, as the connection is now."""
    for module in ("airflow.sdk.io", "airflow.io"):  # Airflow 3, Airflow 2
        try:
            opens = import_module(module).get_fs
        except (ImportError, AttributeError):
            continue
        return opens(scheme, conn_id)
    raise ImportError("this Airflow has no get_fs in any known module")


def _mask_secret() -> Callable[[str], None]:
    for module in _MODULES_WITH_MASK_SECRET:
        try:
            found: Callable[[str], None] = import_module(module).mask_secret
        except (ImportError, AttributeError):
            continue
        return found
    raise ImportError("this Airflow has no mask_secret in any known module")
