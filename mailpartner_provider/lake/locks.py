"""Exclusive locks on files opened for writing, which hold between the hosts of an NFS share too."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# NFS without a lock daemon, CIFS mounted with nobrl, FUSE without locks, some other drivers.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class NoLocks(OSError):
    """The file system has no locks."""


def try_lock(handle: int) -> bool:
    """Lock an open file; return False if another process holds the lock.

    :raises NoLocks: the file system has no locks
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # CIFS answers EACCES
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise NoLocks(error.errno, error.strerror) from error
        raise
    return True


@contextmanager
def locked_file(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Create a file and lock it; remove it afterwards.

    :param wait: called repeatedly while another process holds the lock; may raise
    :raises NoLocks: the file system has no locks
    """
    handle = _acquire(path, wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # under the lock, so that it is the file that is locked
        os.close(handle)


def open_lock(path: Path) -> int:
    """Open a lock file for writing, and create it unless it exists."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def is_open(handle: int, path: Path) -> bool:
    """Return whether a path still is the file that a handle has open."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _acquire(path: Path, wait: Callable[[], None]) -> int:
    while True:
        handle = open_lock(path)
        try:
            while not try_lock(handle):
                wait()
            if is_open(handle, path):
                return handle
        except NoLocks:
            path.unlink(missing_ok=True)
            os.close(handle)
            raise
        except BaseException as error:
            os.close(handle)
            # ESTALE: its holder, on another host of the NFS share, has removed it.
            if not (isinstance(error, OSError) and error.errno == errno.ESTALE):
                raise
        else:
            os.close(handle)  # its holder has removed it
