"""Users for whom permissions count."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def hand_over(folder: Path) -> None:
    """Make the ordinary user the owner of everything in a folder."""
    if os.geteuid() == 0:
        for path in folder.rglob("*"):
            shutil.chown(path, NOBODY)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Make permissions count: they do not for root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
