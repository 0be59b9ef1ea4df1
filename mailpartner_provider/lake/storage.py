"""The places where snapshots lie: a local folder or an object store, behind a few verbs.

Nothing is ever written in place. A file is finished in scratch space, then appears under its name
by one rename (local folder) or one PUT (object store).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCRATCH_PREFIX = ".mailpartner-landing-"
_NOW_OR_NEVER = fcntl.LOCK_EX | fcntl.LOCK_NB
_S3_PUT_BYTES = 5 * 2**30  # what one PUT takes; parts would stay behind where a landing is killed

_T = TypeVar("_T")


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

    def digest(self, name: str) -> str | None:
        """Give the SHA-256 of a file, in hex; None when there is no such file."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Give the size of every file, by name, in the folders that begin so."""

    def publish(self, file: Path, name: str) -> None:
        """Make a finished scratch file visible under this name, whole, at once."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is no such file."""

    def fetch(self, name: str, file: Path) -> bool:
        """Copy the file of this name to a scratch file; say whether there was one."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Lend a folder to finish files in; it is gone afterwards, whatever happened."""

    def alone(self) -> AbstractContextManager[None]:
        """Shut out the other landings that ask for this, where the place has locks.

        An object store has none. There each file is whole whoever wins, but the last receipt may
        be that of another landing than the last partition; the next landing of the day mends it.
        """


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

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._obeying("list", ""):
            found = [path for path in self._root.glob(f"{prefix}*/*") if path.is_file()]
            return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in found}

    def digest(self, name: str) -> str | None:
        with self._obeying("read", name), suppress(FileNotFoundError):
            return digest(self._root / name)
        return None

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
            with suppress(OSError):  # it is not empty, or not there
                (self._root / name).parent.rmdir()

    def fetch(self, name: str, file: Path) -> bool:
        with self._obeying("read", name), suppress(FileNotFoundError):
            shutil.copyfile(self._root / name, file)
            return True
        return False

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

    @contextmanager
    def alone(self) -> Iterator[None]:
        with ExitStack() as lock:
            with suppress(OSError):  # no locks on this file system
                lock.enter_context(_locked(self._root, fcntl.LOCK_EX))
            yield

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
        return self._fetched(name, Path.read_bytes)

    def names(self, folder: str) -> list[str]:
        with self._obeying("list", folder), suppress(FileNotFoundError):
            self._fs.invalidate_cache(self._path(folder))
            listed = self._fs.ls(self._path(folder), detail=False)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in listed)
        return []

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._obeying("list", ""), suppress(FileNotFoundError):
            # Where the store can list by prefix, a request for every thousand files.
            found = self._fs.find(self._root, prefix=prefix, detail=True)
            root = f"{self._fs._strip_protocol(self._root)}/"
            sizes = {path.removeprefix(root): info["size"] for path, info in found.items()}
            return {
                name: size
                for name, size in sizes.items()
                if name.startswith(prefix) and name.count("/") == 1
            }
        return {}

    def digest(self, name: str) -> str | None:
        return self._fetched(name, digest)

    def publish(self, file: Path, name: str) -> None:
        in_one_put = {"chunksize": _S3_PUT_BYTES} if "s3" in self._fs.protocol else {}
        with self._obeying("write", name):
            self._fs.put_file(str(file), self._path(name), **in_one_put)

    def remove(self, name: str) -> None:
        with self._obeying("remove", name), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def fetch(self, name: str, file: Path) -> bool:
        with self._obeying("read", name), suppress(FileNotFoundError):
            self._fs.get_file(self._path(name), str(file))  # one request; to open it would take two
            return True
        return False

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with _scratch(Path(tempfile.gettempdir())) as folder:
            yield folder

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _fetched(self, name: str, use: Callable[[Path], _T]) -> _T | None:
        """Use a copy of a file; None when there is no such file."""
        with self.scratch() as folder:
            copy = folder / "copy"
            return use(copy) if self.fetch(name, copy) else None

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
                with suppress(OSError), _locked(left, _NOW_OR_NEVER):
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
            lock.enter_context(_locked(folder, _NOW_OR_NEVER))
        except (BlockingIOError, FileNotFoundError):
            continue
        except OSError:  # no locks on this file system, so nobody takes anything for left
            return folder
        if folder.exists():
            return folder


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a folder's lock; OSError says that somebody else holds it, or that there are none."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
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
