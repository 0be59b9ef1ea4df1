"""A destination in an object store, behind an fsspec file system."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.scratch import naming_path, scratch_folder
from mailpartner_provider.lake.storage import Content, FileInfo

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_S3_PUT_BYTES = 5 * 2**30  # the most that one PUT takes; parts would outlive a killed landing


class ObjectStore:
    """A destination behind an fsspec file system, such as S3; scratch space is a local folder."""

    has_etags = True

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")

    def uri(self, name: str) -> str:
        return cast("str", self._fs.unstrip_protocol(self._path(name)))

    def read(self, name: str) -> Content | None:
        with self.scratch() as folder:
            version = self.fetch(name, folder / "copy")
            return None if version is None else Content((folder / "copy").read_bytes(), version)

    def fetch(self, name: str, file: Path) -> str | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            self._fs.get_file(self._path(name), str(file))  # one request; open() would take two
            info = self.info(name)
            return info.version if info else None
        return None

    def info(self, name: str) -> FileInfo | None:
        with self._naming("read", name), suppress(FileNotFoundError):
            self._fs.invalidate_cache(self._path(name))
            return _info(self._fs.info(self._path(name)))
        return None

    def list_folder(self, folder: str) -> list[str]:
        with self._naming("list", folder), suppress(FileNotFoundError):
            self._fs.invalidate_cache(self._path(folder))
            listed = self._fs.ls(self._path(folder), detail=False)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in listed)
        return []

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        with self._naming("list", ""), suppress(FileNotFoundError):
            # Where the store can list by prefix, one request for every thousand files.
            self._fs.invalidate_cache(self._root)
            found = self._fs.find(self._root, prefix=prefix, detail=True)
            root = f"{self._fs._strip_protocol(self._root)}/"
            files = {path.removeprefix(root): _info(info) for path, info in found.items()}
            return {
                name: info
                for name, info in files.items()
                if name.startswith(prefix) and name.count("/") == 1
            }
        return {}

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        in_one_put = {"chunksize": _S3_PUT_BYTES} if "s3" in self._fs.protocol else {}
        self._check(name, expected)
        with self._naming("write", name):
            self._fs.put_file(str(file), self._path(name), **in_one_put)
        info = self.info(name)
        return info.version if info else ""

    def remove(self, name: str, expected: str) -> None:
        self._check(name, expected)
        with self._naming("remove", name), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with scratch_folder(Path(tempfile.gettempdir())) as folder:
            yield folder

    def locked(self, raise_if_stopped: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()

    def _check(self, name: str, expected: str | None) -> None:
        info = self.info(name)
        if (info.version if info else None) != expected:
            raise Conflict(f"{self.uri(name)} was replaced by another landing: land the list again")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _naming(self, verb: str, name: str) -> AbstractContextManager[None]:
        # Stores raise many kinds of errors.
        return naming_path(verb, self.uri(name), Exception)


def _info(info: dict[str, object]) -> FileInfo:
    version = info.get("ETag") or info.get("etag") or info.get("generation") or ""
    return FileInfo(int(str(info["size"])), str(version).strip('"'))
