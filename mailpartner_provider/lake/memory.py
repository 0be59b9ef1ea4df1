"""The memory that Arrow takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa

_lock = threading.Lock()
_usual: list[pa.MemoryPool] = []  # the default pool, once for each landing under way


@contextmanager
def least_memory() -> Iterator[None]:
    """Allocate Arrow's memory with jemalloc, where it has it, instead of mimalloc, its default.

    mimalloc keeps more of what was freed: with it, the peak of a landing is a third higher, and
    grows with the list. The default is restored when the last of several landings in a process
    ends.
    """
    with _lock:
        usual = _usual[0] if _usual else pa.default_memory_pool()
        _usual.append(usual)
        if usual.backend_name == "mimalloc":
            with suppress(NotImplementedError):
                pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        with _lock:
            _usual.pop()
            if not _usual:
                pa.set_memory_pool(usual)
