"""A destination in a local folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.scratch import flush, locked, naming_path, scratch_folder
from mailpartner_provider.lake.storage import Content, FileInfo


class LocalFolder:
    """A destination on a disk; scratch space lies in it, so that publishing is one rename."""

    has_etags = False

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, name: str) -> str:
        return f"file://{self._root / name}"

    def read(self, name: str) -> Content | None:
        with (
            self._naming("read", name),
            suppress(FileNotFoundError),
            (self._root / name).open("rb") as file,
        ):
            return Content(file.read(), _version(os.fstat(file.fileno())))
        return None

    def fetch(self, name: str, file: Path) -> str | None:
        with (
            self._naming("read", name),
            suppress(FileNotFoundError),
            (self._root / name).open("rb") as source,
            file.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy, 2**20)
            return _version(os.fstat(source.fileno()))
        return None

    def info(self, name: str) -> FileInfo | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            stat = (self._root / name).stat()
            return FileInfo(stat.st_size, _version(stat))
        return None

    def list_folder(self, folder: str) -> list[str]:
        with self._naming("list", folder), suppress(FileNotFoundError):
            return sorted(os.listdir(self._root / folder))
        return []

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        found = {}
        with self._naming("list", ""), suppress(FileNotFoundError):
            folders = [each for each in os.scandir(self._root) if each.name.startswith(prefix)]
            for folder in folders:
                for file in os.scandir(folder) if folder.is_dir() else ():
                    if file.is_file():
                        stat = file.stat()
                        name = f"{folder.name}/{file.name}"
                        found[name] = FileInfo(stat.st_size, _version(stat))
        return found

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        path = self._root / name
        with self._naming("write", name):
            flush(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._check(name, expected)
            os.replace(file, path)
            flush(path.parent)
            return _version(path.stat())

    def remove(self, name: str, expected: str) -> None:
        with self._naming("remove", name):
            self._check(name, expected)
            (self._root / name).unlink(missing_ok=True)
            with suppress(OSError):  # it is not empty
                (self._root / name).parent.rmdir()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with self._naming("write", ""):
            missing = [
                folder for folder in (self._root, *self._root.parents) if not folder.exists()
            ]
            self._root.mkdir(parents=True, exist_ok=True)
        try:
            with scratch_folder(self._root) as folder:
                yield folder
        finally:
            for folder in missing:  # a landing that published nothing leaves nothing
                with suppress(OSError):
                    folder.rmdir()

    @contextmanager
    def locked(self, raise_if_stopped: Callable[[], None]) -> Iterator[None]:
        with ExitStack() as lock:
            with suppress(OSError):  # this file system has no locks
                lock.enter_context(locked(self._root))
            yield

    def _check(self, name: str, expected: str | None) -> None:
        info = self.info(name)
        if (info.version if info else None) != expected:
            raise Conflict(f"{self.uri(name)} was replaced by another landing: land the list again")

    def _naming(self, verb: str, name: str) -> AbstractContextManager[None]:
        return naming_path(verb, self._root / name)


def _version(stat: os.stat_result) -> str:
    """Return what changes whenever a file is replaced by another one."""
    return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
