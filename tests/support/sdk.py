"""What DAG files import from Airflow, from where this line of it has that."""

from __future__ import annotations

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.models.dag import DAG

try:
    from airflow.sdk.log import redact
except ImportError:
    try:
        from airflow.sdk.execution_time.secrets_masker import redact
    except ImportError:
        from airflow.utils.log.secrets_masker import redact

__all__ = ["DAG", "Asset", "redact", "task"]
