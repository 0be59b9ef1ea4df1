"""The places where snapshots lie: a local folder or an object store, behind five verbs.

Nothing is ever written in place. A file is finished in scratch space, then appears under its name
by one rename (local folder) or one PUT (object store).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCRATCH_PREFIX = ".mailpartner-landing-"


class Destination(Protocol):
    """The root folder of the dataset. Names are relative to it, with ``/`` between their parts.

    Every verb raises OSError, with a text that names the place, when the place does not obey.
    """

    def uri(self, name: str) -> str:
        """Say where a name lies, for readers of any kind."""

    def read(self, name: str) -> bytes | None:
        """Give a file's bytes; None when there is no such file."""

    def names(self, folder: str) -> list[str]:
        """List a folder; empty when there is no such folder."""

    def holds(self, name: str, file: Path) -> bool:
        """Say whether the file of this name has the same bytes as a local file."""

    def publish(self, file: Path, name: str) -> None:
        """Make a finished scratch file visible under this name, whole, at once."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is no such file."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Lend a folder to finish files in; it is gone afterwards, whatever happened."""


class LocalFolder:
    """A destination on a disk; scratch space lies in it, so that publishing is one rename."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, name: str) -> str:
        return f"file://{self._root / name}"

    def read(self, name: str) -> bytes | None:
        with self._obeying("read", name), suppress(FileNotFoundError):
            return (self._root / name).read_bytes()
        return None

    def names(self, folder: str) -> list[str]:
        with self._obeying("list", folder), suppress(FileNotFoundError):
            return sorted(os.listdir(self._root / folder))
        return []

    def holds(self, name: str, file: Path) -> bool:
        place = self._root / name
        with self._obeying("read", name), suppress(FileNotFoundError):
            return place.stat().st_size == file.stat().st_size and digest(place) == digest(file)
        return False

    def publish(self, file: Path, name: str) -> None:
        place = self._root / name
        with self._obeying("write", name):
            _flush(file)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)
            _flush(place.parent)

    def remove(self, name: str) -> None:
        with self._obeying("remove", name):
            (self._root / name).unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with self._obeying("write", ""):
            missing = [
                folder for folder in (self._root, *self._root.parents) if not folder.exists()
            ]
            self._root.mkdir(parents=True, exist_ok=True)
        try:
            with _scratch(self._root) as folder:
                yield folder
        finally:
            for folder in missing:  # a landing that published nothing leaves nothing
                with suppress(OSError):
                    folder.rmdir()

    def _obeying(self, verb: str, name: str) -> AbstractContextManager[None]:
        return naming_the_place(verb, self._root / name)


class ObjectStore:
    """A destination behind an fsspec file system, such as S3; scratch space is a local folder."""

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")

    def uri(self, name: str) -> str:
        return cast("str", self._fs.unstrip_protocol(self._path(name)))

    def read(self, name: str) -> bytes | None:
        with self._obeying("read", name), self.scratch() as folder, suppress(FileNotFoundError):
            copy = folder / "copy"
            self._fs.get_file(self._path(name), str(copy))  # one request; to open it would take two
            return copy.read_bytes()
        return None

    def names(self, folder: str) -> list[str]:
        with self._obeying("list", folder), suppress(FileNotFoundError):
            self._fs.invalidate_cache(self._path(folder))
            listed = self._fs.ls(self._path(folder), detail=False)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in listed)
        return []

    def holds(self, name: str, file: Path) -> bool:
        with self._obeying("read", name), suppress(FileNotFoundError):
            standing = file.with_suffix(".standing")
            # One request, and none for its size: on most days there is no such object.
            self._fs.get_file(self._path(name), str(standing))
            return digest(standing) == digest(file)
        return False

    def publish(self, file: Path, name: str) -> None:
        with self._obeying("write", name):
            self._fs.put_file(str(file), self._path(name))

    def remove(self, name: str) -> None:
        with self._obeying("remove", name), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with _scratch(Path(tempfile.gettempdir())) as folder:
            yield folder

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _obeying(self, verb: str, name: str) -> AbstractContextManager[None]:
        # Stores throw many kinds of errors.
        return naming_the_place(verb, self.uri(name), Exception)


def digest(file: Path) -> str:
    """Give the SHA-256 of a file, in hex."""
    hashed = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(2**20):
            hashed.update(chunk)
    return hashed.hexdigest()


@contextmanager
def naming_the_place(verb: str, place: object, errors: type[Exception] = OSError) -> Iterator[None]:
    """Turn whatever a place throws into an OSError that names the place."""
    try:
        yield
    except errors as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(f"cannot {verb} {place}: {why}") from error


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """Lend a new folder under a parent, after removing those that killed runs left there.

    A folder in use is locked; the lock dies with its process, however that ends.
    """
    with ExitStack() as lock:
        with naming_the_place("write", parent):
            for left in parent.glob(f"{_SCRATCH_PREFIX}*"):
                with suppress(OSError), _locked(left):
                    shutil.rmtree(left)
            folder = _make_locked(parent, lock)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _make_locked(parent: Path, lock: ExitStack) -> Path:
    """Make a folder and lock it; in between, another landing may take it for a left one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=parent))
        try:
            lock.enter_context(_locked(folder))
        except (BlockingIOError, FileNotFoundError):
            continue
        except OSError:  # no locks on this file system, so nobody takes anything for left
            return folder
        if folder.exists():
            return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; OSError says that another process holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder, before anything relies on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
