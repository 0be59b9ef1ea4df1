"""Loads into Iceberg that somebody interferes with at one of their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.warehouse.iceberg import dataset_of, load
from mailpartner_provider.warehouse.request import LoadReport, LoadRequest
from mailpartner_provider.warehouse.session import Stop
from tests.support.forks import kill_after, was_killed
from tests.support.icebergs import CONN_ID, NAME

Before = Callable[[str], object]


class Stepwise(SqlCatalog):
    """A catalog that calls a function before and after each of its steps and those of its files."""

    def __init__(self, before: Before, properties: dict[str, str]) -> None:
        super().__init__(CONN_ID, **properties)
        self._before = before

    def load_table(self, *arguments: Any, **more: Any) -> Any:
        self._before("load")
        return super().load_table(*arguments, **more)

    def create_table(self, *arguments: Any, **more: Any) -> Any:
        self._before("create")
        return super().create_table(*arguments, **more)

    def commit_table(self, *arguments: Any) -> Any:
        self._before("commit")
        committed = super().commit_table(*arguments)
        self._before("after the commit")
        return committed

    def _load_file_io(self, properties: Any = None, location: Any = None) -> StepwiseIO:
        return StepwiseIO(self._before, {**self.properties, **(properties or {})})


class StepwiseIO(PyArrowFileIO):
    def __init__(self, before: Before, properties: dict[str, str]) -> None:
        super().__init__(properties)
        self._before = before

    def new_output(self, location: str) -> PyArrowFile:
        return StepwiseFile(self._before, super().new_output(location))


class StepwiseFile(PyArrowFile):
    def __init__(self, before: Before, file: PyArrowFile) -> None:
        super().__init__(file.location, file._path, file._filesystem, file._buffer_size)
        self._before = before

    def create(self, overwrite: bool = False) -> OutputStream:
        self._before(f"write {self.location}")
        stream = super().create(overwrite)
        self._before("fill")
        return stream


def load_stepwise(
    source: str, properties: dict[str, str], before: Before, stop: Stop | None = None
) -> LoadReport:
    """Load a destination, with a look at each step."""
    destination = open_destination(source)
    request = LoadRequest(destination, dataset_of(destination), NAME, "hats")
    return load(request, Stepwise(before, properties), CONN_ID, stop or Stop())


def killed(source: str, properties: dict[str, str], steps: int) -> bool:
    """Load in a process of its own, which is killed after some steps; False if it ended before."""
    return was_killed(_work, source, properties, steps)


def _work(source: str, properties: dict[str, str], steps: int) -> None:
    load_stepwise(source, properties, kill_after(steps))
