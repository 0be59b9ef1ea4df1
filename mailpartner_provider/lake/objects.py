"""A destination in an object store: what all stores have in common."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.scratch import digest, naming_path, temporary_folder
from mailpartner_provider.lake.storage import Content, FileInfo, quoted

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_PROOF_BYTES = 8 * 2**20  # larger files are not sent twice to test the store
_REMOVALS = 16  # files removed at a time
_PATIENCE = 10.0  # seconds to wait for a cancelled request to end

#: Whether a store honours a kind of condition, by its address and the kind; absent: not tested yet.
_conditional: dict[tuple[str, str], bool] = {}


class ConditionFailed(Conflict):
    """The answer to a request whose condition does not hold."""


class ObjectStore(ABC):
    """A destination in an object store; scratch space is a local folder.

    Writes are conditional requests, which some stores ignore. So each kind of condition is tested
    once in a process: the first small file that is created, and the first that is replaced, is sent
    a second time with the same condition. It no longer holds, so that the store must refuse. As
    long as a store is untested, and when it fails the test, the version of a file is compared
    before each write. The vendor's own hosts are trusted without a test.
    """

    has_etags = True
    removed_at_once = 1000

    #: The scheme of URIs.
    scheme: str
    #: How the names of the vendor's own hosts end.
    vendor: tuple[str, ...]

    def __init__(self, fs: AsyncFileSystem, bucket: str, root: str) -> None:
        self._fs = fs
        self._bucket = bucket
        self._prefix = f"{root}/" if root else ""

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL of the store."""

    def uri(self, name: str) -> str:
        return f"{self.scheme}://{self._bucket}/{quoted(self._prefix + name)}"

    def read(self, name: str) -> Content | None:
        content = BytesIO()
        version = self._run("read", name, self._get(self._prefix + name, content))
        return None if version is None else Content(content.getvalue(), version)

    def fetch(self, name: str, file: Path) -> str | None:
        with naming_path("write", file):
            copy = file.open("wb")
        with copy:
            return self._run("read", name, self._get(self._prefix + name, copy))

    def info(self, name: str) -> FileInfo | None:
        return self._run("read", name, self._head(self._prefix + name))

    def list_folder(self, folder: str) -> list[str]:
        prefix = f"{self._prefix}{folder}/"
        found = self._run("list", folder, self._list(prefix))
        return sorted({key.removeprefix(prefix).partition("/")[0] for key in found})

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        found = self._run("list", "", self._list(self._prefix + prefix))
        files = {key.removeprefix(self._prefix): info for key, info in found.items()}
        return {name: info for name, info in files.items() if name.count("/") == 1}

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        is_conditional = self._is_conditional(expected)
        if not is_conditional or self._is_large(file):
            self._wait(self._look(name, expected))
        try:
            version = self._send(file, name, expected)
        except ConditionFailed:
            # When the response is lost, the client repeats the request and finds its own file.
            return self._version_of_same(file, name)
        if is_conditional is None and version != expected and file.stat().st_size <= _PROOF_BYTES:
            return self._prove(file, name, expected, version)
        return version

    def remove(self, files: Mapping[str, str]) -> None:
        self._wait(self._remove(files))

    def scratch(self) -> AbstractContextManager[Path]:
        return temporary_folder()

    def locked(self, raise_if_stopped: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()

    @abstractmethod
    async def _get(self, key: str, copy: IO[bytes]) -> str | None:
        """Copy a file by one request; return its version, or None when there is none."""

    @abstractmethod
    async def _head(self, key: str) -> FileInfo | None:
        """Return the size and version of a file; None when there is none."""

    @abstractmethod
    async def _list(self, prefix: str) -> dict[str, FileInfo]:
        """List all files by key."""

    @abstractmethod
    async def _put(self, key: str, file: Path, expected: str | None) -> str:
        """Store a file and return its version, or raise ConditionFailed."""

    @abstractmethod
    async def _delete(self, key: str, expected: str) -> None:
        """Delete a file, or raise ConditionFailed."""

    async def _remove(self, files: Mapping[str, str]) -> None:
        """Delete files by requests of their own, some at a time."""
        left = list(files.items())

        async def remove() -> None:
            while left:
                try:
                    await self._remove_one(*left.pop())
                except BaseException:
                    left.clear()
                    raise

        removals = (remove() for _ in range(_REMOVALS))
        for error in await asyncio.gather(*removals, return_exceptions=True):
            if error:
                raise error

    async def _remove_one(self, name: str, expected: str) -> None:
        if not self._is_vendor():  # many stores honour conditions of uploads only
            await self._look(name, expected)
        try:
            await self._named("remove", name, self._delete(self._prefix + name, expected))
        except ConditionFailed:
            raise self._conflict(name) from None

    def _is_large(self, file: Path) -> bool:
        """Return whether a file is sent in another way than the one that was tested."""
        return False

    def _is_vendor(self) -> bool:
        return (urlsplit(self.address).hostname or "").endswith(self.vendor)

    def _is_conditional(self, expected: str | None) -> bool | None:
        """Return whether the store honours this kind of condition; None if not tested yet."""
        return self._is_vendor() or _conditional.get((self.address, _kind(expected)))

    async def _look(self, name: str, expected: str | None) -> None:
        info = await self._named("read", name, self._head(self._prefix + name))
        if (info.version if info else None) != expected:
            # Fails if the bucket is missing: HEAD answers 404 in both cases.
            await self._named("read", name, self._get(self._prefix + name, BytesIO()))
            raise self._conflict(name)

    def _send(self, file: Path, name: str, expected: str | None) -> str:
        return self._run("write", name, self._put(self._prefix + name, file, expected))

    def _prove(self, file: Path, name: str, expected: str | None, version: str) -> str:
        """Test a kind of condition by sending a file again; return the version of the file."""
        try:
            version = self._send(file, name, expected)
        except ConditionFailed:
            _conditional[self.address, _kind(expected)] = True
        else:
            self._distrust(expected)
        return version

    def _distrust(self, expected: str | None) -> None:
        kind = _kind(expected)
        if _conditional.get((self.address, kind)) is not False:
            _conditional[self.address, kind] = False
            log.warning(
                "%s ignores conditional requests (%s): two landings at the same time may replace "
                "each other's files. Run one at a time, as with max_active_tis_per_dag=1",
                self.address,
                kind,
            )

    def _version_of_same(self, file: Path, name: str) -> str:
        """Return the version of a file that has these bytes already, or raise Conflict."""
        info = self.info(name)
        if info and info.size == file.stat().st_size:
            with self.scratch() as folder:
                version = self.fetch(name, folder / "copy")
                if version and digest(folder / "copy") == digest(file):
                    return version
        raise self._conflict(name)

    def _conflict(self, name: str) -> Conflict:
        return Conflict(f"{self.uri(name)} was replaced by another landing: land the list again")

    def _run(self, verb: str, name: str, request: Coroutine[Any, Any, _T]) -> _T:
        """Make a request for a file and wait for it."""
        return self._wait(self._named(verb, name, request))

    async def _named(self, verb: str, name: str, request: Coroutine[Any, Any, _T]) -> _T:
        """Make a request for a file; its errors name the file."""
        with naming_path(verb, self.uri(name), Exception):  # each client has its own errors
            return await request

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do some work in the file system's thread and wait for it.

        The work is cancelled when the wait is interrupted, for example by a signal.
        """
        ended = threading.Event()

        async def run() -> _T:
            try:
                return await work
            finally:
                ended.set()

        answer = asyncio.run_coroutine_threadsafe(run(), self._fs.loop)
        try:
            return answer.result()
        except BaseException:
            if answer.cancel():
                ended.wait(_PATIENCE)
            raise


def _kind(expected: str | None) -> str:
    """Return the header that requires a file to have this version, or not to exist."""
    return "If-None-Match" if expected is None else "If-Match"
