"""Commits: the only way in which a destination is changed.

A commit is planned first: files are read, and new ones finished in scratch space. Then the files
are replaced or removed in order, each only if it has not changed since it was read; the manifest (a
receipt or an index) comes last. A manifest is valid only for files that match it. So the files that
a killed or conflicting commit leaves behind do not count as landed.
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
    """The declaration of a file in a manifest.

    :param version: the version of the file; None if only its digest is declared
    :param next_sha256: the digest of the new file, while an erasure replaces the file
    :param rows_sha256: the digest of the rows, to compare them without reading the file
    """

    sha256: str
    version: str | None = None
    next_sha256: str | None = None
    rows_sha256: str | None = None

    def is_of(self, file: Path) -> bool:
        """Return whether a file has one of the declared digests."""
        return digest(file) in (self.sha256, self.next_sha256)


class _Step(NamedTuple):
    """A file to replace with a scratch file or a text made at that moment; or files to remove."""

    names: list[str]
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
        self._listed: dict[str, FileInfo] = {}
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
        self._listed.update(files)
        self._versions.update({name: info.version for name, info in files.items()})
        return files

    def fetch(self, name: str, file: Path) -> bool:
        """Copy a file into scratch space for the plan; return whether it exists."""
        self._versions[name] = self.destination.fetch(name, file)
        return self._versions[name] is not None

    def copy(self, name: str) -> Path | None:
        """Copy a file to scratch space, over the last copy; None when there is no such file."""
        file = self._scratch / "copy"
        return file if self.fetch(name, file) else None

    def matches(self, name: str, declared: Declared) -> bool:
        """Return whether a file that was read for the plan matches its declaration.

        The declared version is compared, or, without one, the digest.
        """
        if declared.version is not None and declared.next_sha256 is None:
            return self._versions.get(name) == declared.version
        sha256 = self._digest(name)
        return sha256 is not None and sha256 in (declared.sha256, declared.next_sha256)

    def version(self, name: str) -> str | None:
        """Return the version of a file as read or published; None in a local folder.

        An object store's version always stands for the same bytes; a local one changes when the
        folder is copied.
        """
        return self._versions.get(name) if self.destination.has_etags else None

    def require(self, name: str) -> None:
        """Make the commit fail if a file that it only reads has changed."""
        self._required.append(name)

    def confirm(self, name: str) -> None:
        """Make the commit fail if, after its last step, a file is not what it read or published.

        Of two commits, each of which confirms what the other writes first, one fails.
        """
        self._confirmed.append(name)

    def require_files(self, prefix: str) -> None:
        """Make the commit fail if the listed files have changed, or new ones have appeared."""
        self._required_prefix = prefix

    def replace(self, name: str, file: Path) -> None:
        """Plan to replace a file with a finished scratch file."""
        self._steps.append(_Step([name], file))

    def write(self, name: str, text: Callable[[], str]) -> None:
        """Plan to replace a file with a text.

        :param text: called when earlier steps are done, because it may need their ``version``
        """
        file = self._scratch / f"text-{len(self._steps)}"
        self._steps.append(_Step([name], file, text))

    def remove(self, names: Iterable[str]) -> None:
        """Plan to remove files, in any order."""
        names, size = list(names), self.destination.removed_at_once
        self._steps += [_Step(names[at : at + size]) for at in range(0, len(names), size)]

    def publish(self, heartbeat: Callable[[], None]) -> None:
        """Carry out the plan.

        :param heartbeat: called before each step, and while waiting for the lock; may raise
        :raises Conflict: the destination has changed since it was read: nothing more is written
        :raises OSError: the destination cannot be written
        """
        for step in self._steps:
            if step.file and step.text:  # before anything is visible, in case the disk is full
                self._write_text(step.file, step.text)
        has_etags = self.destination.has_etags
        with self.destination.locked(heartbeat):
            if not has_etags:  # under the lock nothing can change after this check
                names = (name for step in self._steps for name in step.names)
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
        info = self._listed.get(name) or self.info(name)
        if info and info.size <= _SMALL_BYTES:  # a copy of each of thousands would take seconds
            content = self.read(name)
            return content and hashlib.sha256(content.data).hexdigest()
        copy = self.copy(name)
        return digest(copy) if copy else None

    def _carry_out(self, step: _Step) -> None:
        expected = {name: self._versions.get(name) for name in step.names}
        if step.file is None:
            if existing := {name: each for name, each in expected.items() if each is not None}:
                self.destination.remove(existing)
            self._versions.update(dict.fromkeys(step.names))
            return
        (name,) = step.names
        if step.text:
            self._write_text(step.file, step.text)
        self._versions[name] = self.destination.publish(step.file, name, expected[name])

    def _write_text(self, file: Path, text: Callable[[], str]) -> None:
        with naming_path("write scratch files in", self._scratch):
            file.write_text(text(), encoding="ascii")

    def _check(self, names: Iterable[str]) -> None:
        """Check that files have not changed since they were read."""
        for name in dict.fromkeys(names):
            info = self.destination.info(name)
            if (info.version if info else None) != self._versions.get(name):
                raise Conflict(f"{self.uri(name)} has just been changed by another task")

    def _check_files(self) -> None:
        """Check that the files with the required prefix have not changed since they were listed."""
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
