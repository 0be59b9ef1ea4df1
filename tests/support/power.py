"""What a loss of power may leave of the work in a folder.

Only what was written through is on the disk for sure: the content of a file by fsync of the file, a
name by fsync of its folder. Everything later may be there, or not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.lake import files

State = dict[str, bytes]


class _Change(NamedTuple):
    """A name that was changed; ``data`` is what it may lead to, and None if it was removed."""

    name: str
    data: bytes | None
    is_written_through: bool


class Disk:
    """The disk below a folder, and all the states in which a loss of power may leave it."""

    def __init__(self, root: Path) -> None:
        self.states = [files(root)]
        self._root = root
        self._certain = files(root)
        self._folders = {path for path in (root, *root.iterdir()) if path.is_dir()}
        self._pending: list[_Change] = []
        self._written: set[int] = set()

    def record(self, work: Callable[[], Any]) -> None:
        """Do some work, and collect the states after each of its operations."""
        fsync, replace, unlink = os.fsync, os.replace, Path.unlink

        def recorded_fsync(handle: int) -> None:
            fsync(handle)
            self._write_through(Path(os.readlink(f"/proc/self/fd/{handle}")))

        def recorded_replace(old: Path, new: Path) -> None:
            data, is_written = Path(old).read_bytes(), os.stat(old).st_ino in self._written
            replace(old, new)
            self._change(Path(new), data, is_written)

        def recorded_unlink(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            self._change(path, None, True)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", recorded_fsync)
            patch.setattr(os, "replace", recorded_replace)
            patch.setattr(Path, "unlink", recorded_unlink)
            work()

    def _write_through(self, path: Path) -> None:
        if not path.is_dir():
            self._written.add(path.stat().st_ino)
            return
        self._folders |= {each for each in path.iterdir() if each.is_dir()}
        done = [each for each in self._pending if (self._root / each.name).parent == path]
        if path in self._folders:
            for change in done:
                self._pending.remove(change)
                _apply(self._certain, change)
        self._collect()

    def _change(self, path: Path, data: bytes | None, is_written_through: bool) -> None:
        name = str(path.relative_to(self._root))
        if not name.startswith("."):
            self._pending.append(_Change(name, data, is_written_through))
            self._collect()

    def _collect(self) -> None:
        """Collect the states that are possible now."""
        for chosen in product((False, True), repeat=len(self._pending)):
            changes = [each for each, done in zip(self._pending, chosen, strict=True) if done]
            for is_half in (False, True):
                state = dict(self._certain)
                for change in changes:
                    _apply(state, change, is_half)
                if state not in self.states:
                    self.states.append(state)


def _apply(state: State, change: _Change, is_half: bool = True) -> None:
    """Apply a change; of what was not written through, only half may be there."""
    if change.data is None:
        state.pop(change.name, None)
    elif is_half and not change.is_written_through:
        state[change.name] = change.data[: len(change.data) // 2]
    else:
        state[change.name] = change.data
