"""A destination in a local folder."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.locks import NoLocks, locked_file
from mailpartner_provider.lake.scratch import flush, flush_folder, naming_path, scratch_folder
from mailpartner_provider.lake.storage import Content, FileInfo, quoted

log = logging.getLogger(__name__)

_LOCK = ".mailpartner-lock"
_STEP = 0.2  # seconds between two looks at a lock that somebody else holds

_without_locks: set[Path] = set()  # the folders that a warning has named


class LocalFolder:
    """A destination on a disk; scratch space lies in it, so that publishing is one rename."""

    has_etags = False
    removed_at_once = 1

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, name: str) -> str:
        return f"file://{quoted(str(self._root / name))}"

    def read(self, name: str) -> Content | None:
        path = self._root / name
        with self._naming("read", name), suppress(FileNotFoundError), path.open("rb") as file:
            return Content(file.read(), _version(os.fstat(file.fileno())))
        return None

    def fetch(self, name: str, file: Path) -> str | None:
        with self._naming("read", name):
            try:
                source = (self._root / name).open("rb")
            except FileNotFoundError:
                return None
            with source, file.open("wb") as copy:
                shutil.copyfileobj(source, copy, 2**20)
                return _version(os.fstat(source.fileno()))

    def info(self, name: str) -> FileInfo | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            return _info((self._root / name).stat())
        return None

    def list_folder(self, folder: str) -> list[str]:
        with self._naming("list", folder):
            return _names(self._root / folder)

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        with self._naming("list", ""):
            folders = [name for name in _names(self._root) if name.startswith(prefix)]
        found = {}
        for folder in folders:
            with (
                self._naming("list", folder),
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(self._root / folder) as entries,
            ):
                for entry in entries:
                    with suppress(FileNotFoundError):  # somebody has just removed it
                        # A link in a circle is an error for the entry, and no file for the path.
                        if entry.is_file(follow_symlinks=False) or Path(entry).is_file():
                            found[f"{folder}/{entry.name}"] = _info(entry.stat())
        return dict(sorted(found.items()))

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        path = self._root / name
        self._check(name, expected)
        with self._naming("write", name):
            flush(file)
            _make_folder(path.parent)
            os.replace(file, path)
            flush_folder(path.parent)
            return _version(path.stat())

    def remove(self, files: Mapping[str, str]) -> None:
        for name, expected in files.items():
            path = self._root / name
            self._check(name, expected)
            with self._naming("remove", name):
                path.unlink()
                flush_folder(path.parent)
                with suppress(OSError):  # ENOTEMPTY, or the names of others may not be removed here
                    path.parent.rmdir()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with self._existing_root(), scratch_folder(self._root) as folder:
            yield folder

    @contextmanager
    def locked(self, raise_if_stopped: Callable[[], None]) -> Iterator[None]:
        def wait() -> None:
            raise_if_stopped()
            time.sleep(_STEP)

        with self._existing_root(), ExitStack() as lock:
            with self._naming("lock", ""):
                try:
                    lock.enter_context(locked_file(self._root / _LOCK, wait))
                except NoLocks as error:
                    self._warn_once(error)
            yield

    @contextmanager
    def _existing_root(self) -> Iterator[None]:
        """Make the root unless it exists; remove it afterwards if nothing was published."""
        with self._naming("write", ""):
            made = _make_folder(self._root)
        try:
            yield
        finally:
            for folder in made:
                with suppress(OSError):  # ENOTEMPTY
                    folder.rmdir()

    def _check(self, name: str, expected: str | None) -> None:
        info = self.info(name)
        if (info.version if info else None) != expected:
            raise Conflict(f"{self.uri(name)} was replaced by another landing: land the list again")

    def _warn_once(self, error: NoLocks) -> None:
        if self._root not in _without_locks:
            _without_locks.add(self._root)
            log.warning(
                "The file system of %s has no locks (%s): two landings at the same time may "
                "replace each other's files. Run one at a time, as with max_active_tis_per_dag=1",
                self._root,
                error.strerror,
            )

    def _naming(self, verb: str, name: str) -> AbstractContextManager[None]:
        return naming_path(verb, self._root / name)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder; none when there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents, and flush them to disk; return the new ones, deepest first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush_folder(each.parent)
    return missing


def _info(stat: os.stat_result) -> FileInfo:
    return FileInfo(stat.st_size, _version(stat))


def _version(stat: os.stat_result) -> str:
    """Return a text that changes whenever the file is replaced."""
    return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
