"""The memory that Arrow takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa


@contextmanager
def least_memory() -> Iterator[None]:
    """Allocate Arrow's memory with jemalloc, where it has it, instead of mimalloc, its default.

    mimalloc keeps more of what was freed: with it, the peak of a landing is a third higher, and
    grows with the list.
    """
    usual = pa.default_memory_pool()
    if usual.backend_name == "mimalloc":
        with suppress(NotImplementedError):
            pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
