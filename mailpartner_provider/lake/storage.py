"""Destinations: the operations of a local folder or an object store that a landing needs.

Nothing is written in place. A file is finished in scratch space, then appears under its name in one
step, and only if the file with this name has not changed since it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote


class FileInfo(NamedTuple):
    """The size of a file in bytes, and its version, which changes whenever the file is replaced.

    In an object store, the version is the ETag or generation; in a local file system, it is made
    from the file's metadata.
    """

    size: int
    version: str


class Content(NamedTuple):
    """The bytes of a file, and their version."""

    data: bytes
    version: str


def quoted(path: str) -> str:
    """Quote a path for a URI, except characters that URIs may contain, such as the ``=`` of dt=."""
    return quote(path, safe="/=@:!$&'()*+,;")


class Readable(Protocol):
    """The root folder of a dataset. Names are relative to it, with ``/`` between their parts.

    Every operation raises OSError, naming the path, when the storage fails.
    """

    def uri(self, name: str) -> str:
        """Return the URI of a file, as other programs can read it."""

    def read(self, name: str) -> Content | None:
        """Read a file; None when there is no such file."""

    def list_folder(self, folder: str) -> list[str]:
        """List the names in a folder; empty when there is no such folder."""


class Destination(Readable, Protocol):
    """A root folder that can be written."""

    #: Whether the store has ETags or generations (and no locks).
    has_etags: bool
    #: How many files one call of ``remove`` may delete.
    removed_at_once: int

    def fetch(self, name: str, file: Path) -> str | None:
        """Copy a file into a scratch file; return its version, or None if there is no such file."""

    def info(self, name: str) -> FileInfo | None:
        """Return the size and version of a file; None when there is no such file."""

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        """List every file, by name, in the folders of the root whose names begin with a prefix.

        Empty when there is no such folder; a bucket that does not exist is an error.
        """

    def publish(self, file: Path, name: str, expected: str | None) -> str:
        """Replace a file with a finished scratch file, in one step; return the new version.

        :param expected: the version to replace; None to create the file
        :raises Conflict: the file is no longer of this version, or exists already
        """

    def remove(self, files: Mapping[str, str]) -> None:
        """Delete files, in any order.

        :param files: the version to delete of each, by name
        :raises Conflict: a file is no longer of this version; it is kept, others may be deleted
        """

    def scratch(self) -> AbstractContextManager[Path]:
        """Make a folder to finish files in; it is removed afterwards in any case."""

    def locked(self, raise_if_stopped: Callable[[], None]) -> AbstractContextManager[None]:
        """Lock the destination against other landings; an object store has no locks.

        :param raise_if_stopped: called while waiting for the lock; may raise
        """
