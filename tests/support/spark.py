"""A Spark of this process's own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def spark() -> Iterator[SparkSession]:
    """Run Spark on loopback, without its web page."""
    from pyspark.sql import SparkSession

    if not shutil.which("java"):
        pytest.fail("Spark needs Java 17 or later: apt-get install default-jre-headless")
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it logs to the very end
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()
