"""Names of Airflow that are in different modules on Airflow 2 and 3.

Airflow's own provider for this, ``common.compat``, lacks some of them in the versions that clouds
install with Airflow 3.0 and 2.11.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: The modules in which a name may be: those of the newest Airflow first.
_MODULES = {
    "AirflowFailException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowNotFoundException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowPlugin": ("airflow.sdk.plugins_manager", "airflow.plugins_manager"),
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "ObjectStoragePath": ("airflow.sdk", "airflow.io.path"),
    "Stats": ("airflow.sdk.observability.stats", "airflow.stats"),
    "Variable": ("airflow.sdk", "airflow.models.variable"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "get_fs": ("airflow.sdk.io", "airflow.io"),
    "mask_secret": (
        "airflow.sdk.log",
        "airflow.sdk.execution_time.secrets_masker",
        "airflow.utils.log.secrets_masker",
    ),
}


def airflow_version() -> tuple[int, ...]:
    """Return the first two numbers of Airflow's version, such as ``(3, 1)``."""
    version: str = import_module("airflow").__version__
    return tuple(int(part) for part in version.split(".")[:2])


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for, so that an import of one name loads no other."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in _MODULES[name]:
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"this Airflow has {name} in none of {', '.join(_MODULES[name])}")
