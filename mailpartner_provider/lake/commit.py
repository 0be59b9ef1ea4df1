"""Commits: the only way in which anything in a destination changes.

A commit fails if a file that it replaces, removes or requires has changed since it was read.
Everything is finished in scratch space first. Then each file is replaced or removed, in order, only
while it still is what the plan saw; the manifest (a receipt, an index) comes last. A manifest
vouches only for files that match it, so what a killed commit, or one that met another, has left
behind is not believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.scratch import digest, naming_path
from mailpartner_provider.lake.storage import Content, Destination, FileInfo

_SMALL_BYTES = 2**20


class Declared(NamedTuple):
    """What a manifest declares about a file; the version is None if it gives only a digest.

    While an erasure replaces the file, ``next_sha256`` is the digest of the new one. If known,
    ``rows_sha256`` is the digest of its rows, which tells without the file whether they changed.
    """

    sha256: str
    version: str | None = None
    next_sha256: str | None = None
    rows_sha256: str | None = None

    def is_of(self, file: Path) -> bool:
        """Return whether this is the declaration of a file with these bytes."""
        return digest(file) in (self.sha256, self.next_sha256)


class _Step(NamedTuple):
    """A file to replace by a scratch file, by a text that is known in its turn, or to remove."""

    name: str
    file: Path | None = None
    text: Callable[[], str] | None = None


class Commit:
    """One change of a destination.

    :param destination: where to read and to write
    :param scratch: a scratch folder of the destination
    """

    def __init__(self, destination: Destination, scratch: Path) -> None:
        self.destination = destination
        self._scratch = scratch
        self._versions: dict[str, str | None] = {}
        self._required: list[str] = []
        self._confirmed: list[str] = []
        self._required_prefix: str | None = None
        self._steps: list[_Step] = []

    def uri(self, name: str) -> str:
        """Return the URI of a name."""
        return self.destination.uri(name)

    def read(self, name: str) -> Content | None:
        """Read a file for the plan; None when there is no such file."""
        content = self.destination.read(name)
        self._versions[name] = content.version if content else None
        return content

    def info(self, name: str) -> FileInfo | None:
        """Return the size and version of a file for the plan; None when there is no such file."""
        info = self.destination.info(name)
        self._versions[name] = info.version if info else None
        return info

    def list_folder(self, folder: str) -> list[str]:
        """List the names in a folder."""
        return self.destination.list_folder(folder)

    def list_files(self, prefix: str) -> dict[str, FileInfo]:
        """List the files in the folders with this prefix for the plan."""
        files = self.destination.list_files(prefix)
        self._versions.update({name: info.version for name, info in files.items()})
        return files

    def fetch(self, name: str, file: Path) -> bool:
        """Copy a file into scratch space for the plan; return whether it exists."""
        self._versions[name] = self.destination.fetch(name, file)
        return self._versions[name] is not None

    def copy(self, name: str) -> Path | None:
        """Copy a file into scratch space until the next copy; None when there is no such file."""
        file = self._scratch / "copy"
        return file if self.fetch(name, file) else None

    def matches(self, name: str, declared: Declared) -> bool:
        """Return whether a file that the plan has seen is what a manifest declares.

        A version that agrees is enough; otherwise the bytes are compared.
        """
        if declared.version is not None and declared.next_sha256 is None:
            return self._versions.get(name) == declared.version
        sha256 = self._digest(name)
        return sha256 is not None and sha256 in (declared.sha256, declared.next_sha256)

    def version(self, name: str) -> str | None:
        """Return the version of a file, as seen or as published; None where versions do not last.

        An object store's version names the same bytes for ever. A local one changes with a copy.
        """
        return self._versions.get(name) if self.destination.has_etags else None

    def require(self, name: str) -> None:
        """Make the commit depend on a file that it has read and does not change."""
        self._required.append(name)

    def confirm(self, name: str) -> None:
        """Make the commit fail if, after its last step, a file is not what it read or published.

        Of two commits that confirm each what the other one writes first, one fails.
        """
        self._confirmed.append(name)

    def require_files(self, prefix: str) -> None:
        """Make the commit depend on the files that it has listed, and on there being no more."""
        self._required_prefix = prefix

    def replace(self, name: str, file: Path) -> None:
        """Plan to replace a file by a finished scratch file."""
        self._steps.append(_Step(name, file))

    def write(self, name: str, text: Callable[[], str]) -> None:
        """Plan to replace a file by a text, which may use the ``version`` of earlier steps."""
        file = self._scratch / f"text-{len(self._steps)}"
        self._steps.append(_Step(name, file, text))

    def remove(self, name: str) -> None:
        """Plan to remove a file."""
        self._steps.append(_Step(name))

    def publish(self, heartbeat: Callable[[], None]) -> None:
        """Carry out the plan.

        :param heartbeat: called before each step, and while a lock is waited for; may raise
        :raises Conflict: the destination has changed since it was read: nothing more is written
        :raises OSError: the destination cannot be written
        """
        for step in self._steps:
            if step.file and step.text:  # before anything is visible, in case the disk is full
                self._write_text(step.file, step.text)
        has_etags = self.destination.has_etags
        with self.destination.locked(heartbeat):
            if not has_etags:  # under the lock nothing can change after this check
                names = (step.name for step in self._steps)
                self._check([*self._required, *self._confirmed, *names])
                self._check_files()
            for number, step in enumerate(self._steps, 1):
                heartbeat()
                if has_etags and number in (1, len(self._steps)):
                    self._check(self._required)
                    self._check_files()
                self._carry_out(step)
            if has_etags:
                self._check(self._confirmed)

    def _digest(self, name: str) -> str | None:
        """Return the digest of a file; None when there is no such file."""
        info = self.info(name)
        if info and info.size <= _SMALL_BYTES:  # a copy of each of thousands would take seconds
            content = self.read(name)
            return content and hashlib.sha256(content.data).hexdigest()
        copy = self.copy(name)
        return digest(copy) if copy else None

    def _carry_out(self, step: _Step) -> None:
        expected = self._versions.get(step.name)
        if step.file is None:
            if expected is not None:
                self.destination.remove(step.name, expected)
            self._versions[step.name] = None
            return
        if step.text:
            self._write_text(step.file, step.text)
        self._versions[step.name] = self.destination.publish(step.file, step.name, expected)

    def _write_text(self, file: Path, text: Callable[[], str]) -> None:
        with naming_path("write scratch files in", self._scratch):
            file.write_text(text(), encoding="ascii")

    def _check(self, names: Iterable[str]) -> None:
        """Compare files with what the plan saw."""
        for name in dict.fromkeys(names):
            info = self.destination.info(name)
            if (info.version if info else None) != self._versions.get(name):
                raise Conflict(f"{self.uri(name)} has just been changed by another task")

    def _check_files(self) -> None:
        """Compare the files with the required prefix with what the plan saw."""
        prefix = self._required_prefix
        if prefix is None:
            return
        files = self.destination.list_files(prefix)
        found = {(name, info.version) for name, info in files.items()}
        seen = {
            (name, version)
            for name, version in self._versions.items()
            if name.startswith(prefix) and version is not None
        }
        if changed := found ^ seen:
            raise Conflict(f"{self.uri(min(changed)[0])} has just been changed by another task")
