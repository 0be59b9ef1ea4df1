"""Scratch folders, locked while in use, so that those of killed landings are found and removed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX = ".mailpartner-landing-"
_DO_NOT_WAIT = fcntl.LOCK_EX | fcntl.LOCK_NB


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder under a parent and remove it afterwards, as well as those of killed landings.

    A folder in use is locked; the lock ends with its process, however that ends.
    """
    with ExitStack() as lock:
        with naming_path("write", parent):
            for abandoned in parent.glob(f"{_PREFIX}*"):
                with suppress(OSError), locked(abandoned, _DO_NOT_WAIT):
                    shutil.rmtree(abandoned)
            folder = _make_locked(parent, lock)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path, mode: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Lock a folder.

    :raises OSError: another process holds the lock, or the file system has no locks
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, mode)
        yield
    finally:
        os.close(handle)


@contextmanager
def naming_path(verb: str, path: object, errors: type[Exception] = OSError) -> Iterator[None]:
    """Convert errors into an OSError that names the path."""
    try:
        yield
    except errors as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(f"cannot {verb} {path}: {cause}") from error


def digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    hashed = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(2**20):
            hashed.update(chunk)
    return hashed.hexdigest()


def flush(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_locked(parent: Path, lock: ExitStack) -> Path:
    """Make a folder and lock it; in between, another landing may remove it as abandoned."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock.enter_context(locked(folder, _DO_NOT_WAIT))
        except (BlockingIOError, FileNotFoundError):
            continue
        except OSError:  # this file system has no locks, so nobody removes anything as abandoned
            return folder
        if folder.exists():
            return folder
