"""Scratch folders, locked while in use, so that those of killed landings are found and removed."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.lake.locks import NoLocks, is_open, open_lock, try_lock

log = logging.getLogger(__name__)

SCRATCH_PREFIX = ".mailpartner-landing-"
_NAME = re.compile(rf"{re.escape(SCRATCH_PREFIX)}(?P<pid>\d+)-(?P<host>.+)-[a-z0-9_]{{8}}")
_LOCK = ".lock"
_OLD = 7 * 24 * 3600.0  # seconds, after which the folder of another host counts as abandoned


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder under a parent, and remove it afterwards; remove those of killed landings, too.

    A folder in use is locked, until its process ends in any way.
    """
    with naming_path("write", parent):
        _remove_abandoned(parent)
        folder, lock = _make_locked(parent)
        # Version 0.1 locks the folder itself, and removes folders that are not locked in this way.
        folder_lock = os.open(folder, os.O_RDONLY)
        with suppress(NoLocks):
            try_lock(folder_lock)
    try:
        yield folder
    finally:
        os.close(lock)  # first: NFS keeps a folder in which a file is open
        os.close(folder_lock)
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder() -> AbstractContextManager[Path]:
    """Make a scratch folder among the temporary files."""
    return scratch_folder(Path(tempfile.gettempdir()))


@contextmanager
def naming_path(verb: str, path: object, errors: type[Exception] = OSError) -> Iterator[None]:
    """Convert errors into an OSError of one line that names the path."""
    try:
        yield
    except MailPartnerError:
        raise
    except errors as error:
        cause = (getattr(error, "strerror", None) or str(error)).strip() or type(error).__name__
        raise OSError(f"cannot {verb} {path}: {cause.splitlines()[0]}") from error


def digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    hashed = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(2**20):
            hashed.update(chunk)
    return hashed.hexdigest()


def flush(file: Path) -> None:
    """Write a file through to the disk."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk."""
    try:
        flush(folder)
    except OSError as error:
        # CIFS, vboxsf, drvfs and some FUSE file systems cannot do this with a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _make_locked(parent: Path) -> tuple[Path, int]:
    """Make a folder and lock it; try again if another landing removes it in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=parent))
        with suppress(FileNotFoundError):
            lock = open_lock(folder / _LOCK)
            with suppress(NoLocks):
                if not (try_lock(lock) and is_open(lock, folder / _LOCK)):
                    os.close(lock)
                    continue
            return folder, lock


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of killed landings."""
    with os.scandir(parent) as entries:
        found = [Path(entry) for entry in entries if entry.name.startswith(SCRATCH_PREFIX)]
    for folder in found:
        try:
            claimed = _claim(folder)
            if claimed:
                shutil.rmtree(claimed)
        except OSError as error:
            # ENOENT, ENOTEMPTY: its own landing removes it, or another one that begins.
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                log.warning(
                    "Cannot remove the scratch folder %s of a killed landing: %s", folder, error
                )


def _claim(folder: Path) -> Path | None:
    """Rename a folder that its landing has abandoned; return the new name, or None."""
    name = _NAME.fullmatch(folder.name)
    own_host = name is not None and name["host"] == _host()
    old = time.time() - folder.stat().st_mtime > _OLD
    if not (own_host or old):
        return None
    lock = open_lock(folder / _LOCK)
    try:
        if not try_lock(lock):
            return None
    except NoLocks:
        if not old and name and _is_running(int(name["pid"])):
            return None
    else:
        # If its landing has just made it and locks it only now, it sees the name gone.
        folder = folder.rename(folder.with_name(f"{_own_prefix()}{secrets.token_hex(4)}"))
    finally:
        os.close(lock)
    return folder


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _own_prefix() -> str:
    return f"{SCRATCH_PREFIX}{os.getpid()}-{_host()}-"


def _host() -> str:
    return os.uname().nodename
