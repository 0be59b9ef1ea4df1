"""Destinations: a local folder or an object store, behind a few operations.

Nothing is ever written in place. A file is finished in scratch space, then appears under its name
by one rename (local folder) or one PUT (object store).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from mailpartner_provider.lake.scratch import digest, flush, locked, naming_path, scratch_folder

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_S3_PUT_BYTES = 5 * 2**30  # the most that one PUT takes; parts would outlive a killed landing

_T = TypeVar("_T")


class Destination(Protocol):
    """The root folder of a dataset. Names are relative to it, with ``/`` between their parts.

    Every operation raises OSError, naming the path, when the storage fails.
    """

    def uri(self, name: str) -> str:
        """Return the URI of a name, for readers of any kind."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None when there is no such file."""

    def list_folder(self, folder: str) -> list[str]:
        """List the names in a folder; empty when there is no such folder."""

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file, in hex; None when there is no such file."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size in bytes of every file, by name, in the folders with this prefix."""

    def publish(self, file: Path, name: str) -> None:
        """Make a finished scratch file visible under this name, complete, in one step."""

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""

    def fetch(self, name: str, file: Path) -> bool:
        """Copy a file into a scratch file; return whether it exists."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Make a folder to finish files in; it is removed afterwards in any case."""

    def locked(self) -> AbstractContextManager[None]:
        """Lock the destination against other landings, where the storage has locks.

        An object store has none. There every file is complete whoever wins, but the last receipt
        may belong to another landing than the last partition; the next landing of the day repairs
        that.
        """


class LocalFolder:
    """A destination on a disk; scratch space lies in it, so that publishing is one rename."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, name: str) -> str:
        return f"file://{self._root / name}"

    def read(self, name: str) -> bytes | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            return (self._root / name).read_bytes()
        return None

    def list_folder(self, folder: str) -> list[str]:
        with self._naming("list", folder), suppress(FileNotFoundError):
            return sorted(os.listdir(self._root / folder))
        return []

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._naming("list", ""):
            found = [path for path in self._root.glob(f"{prefix}*/*") if path.is_file()]
            return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in found}

    def digest(self, name: str) -> str | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            return digest(self._root / name)
        return None

    def publish(self, file: Path, name: str) -> None:
        path = self._root / name
        with self._naming("write", name):
            flush(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, path)
            flush(path.parent)

    def remove(self, name: str) -> None:
        with self._naming("remove", name):
            (self._root / name).unlink(missing_ok=True)
            with suppress(OSError):  # it is not empty, or does not exist
                (self._root / name).parent.rmdir()

    def fetch(self, name: str, file: Path) -> bool:
        with self._naming("read", name), suppress(FileNotFoundError):
            shutil.copyfile(self._root / name, file)
            return True
        return False

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
    def locked(self) -> Iterator[None]:
        with ExitStack() as lock:
            with suppress(OSError):  # this file system has no locks
                lock.enter_context(locked(self._root))
            yield

    def _naming(self, verb: str, name: str) -> AbstractContextManager[None]:
        return naming_path(verb, self._root / name)


class ObjectStore:
    """A destination behind an fsspec file system, such as S3; scratch space is a local folder."""

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")

    def uri(self, name: str) -> str:
        return cast("str", self._fs.unstrip_protocol(self._path(name)))

    def read(self, name: str) -> bytes | None:
        return self._with_copy(name, Path.read_bytes)

    def list_folder(self, folder: str) -> list[str]:
        with self._naming("list", folder), suppress(FileNotFoundError):
            self._fs.invalidate_cache(self._path(folder))
            listed = self._fs.ls(self._path(folder), detail=False)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in listed)
        return []

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._naming("list", ""), suppress(FileNotFoundError):
            # Where the store can list by prefix, one request for every thousand files.
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
        return self._with_copy(name, digest)

    def publish(self, file: Path, name: str) -> None:
        in_one_put = {"chunksize": _S3_PUT_BYTES} if "s3" in self._fs.protocol else {}
        with self._naming("write", name):
            self._fs.put_file(str(file), self._path(name), **in_one_put)

    def remove(self, name: str) -> None:
        with self._naming("remove", name), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def fetch(self, name: str, file: Path) -> bool:
        with self._naming("read", name), suppress(FileNotFoundError):
            self._fs.get_file(self._path(name), str(file))  # one request; open() would take two
            return True
        return False

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with scratch_folder(Path(tempfile.gettempdir())) as folder:
            yield folder

    def locked(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _with_copy(self, name: str, use: Callable[[Path], _T]) -> _T | None:
        """Call ``use`` with a copy of a file; None when there is no such file."""
        with self.scratch() as folder:
            copy = folder / "copy"
            return use(copy) if self.fetch(name, copy) else None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _naming(self, verb: str, name: str) -> AbstractContextManager[None]:
        # Stores raise many kinds of errors.
        return naming_path(verb, self.uri(name), Exception)
