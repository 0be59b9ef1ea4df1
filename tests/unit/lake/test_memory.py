"""Arrow's memory during a landing."""

from __future__ import annotations

from contextlib import ExitStack

import pyarrow as pa
import pytest

from mailpartner_provider.lake.memory import least_memory


def test_pool():
    """Arrow's default pool is replaced, and restored after a failure."""
    usual = pa.default_memory_pool().backend_name
    try:
        jemalloc = pa.jemalloc_memory_pool()
    except NotImplementedError:
        pytest.skip("this Arrow has no jemalloc")

    with pytest.raises(OSError, match="disk"), least_memory():
        assert usual != "mimalloc" or jemalloc.backend_name == pa.default_memory_pool().backend_name
        raise OSError("disk")
    assert usual == pa.default_memory_pool().backend_name


def test_several():
    """Of several landings in a process, which end in any order, the last one restores it."""
    usual = pa.default_memory_pool().backend_name
    first, second = ExitStack(), ExitStack()

    first.enter_context(least_memory())
    second.enter_context(least_memory())
    taken = pa.default_memory_pool().backend_name
    first.close()
    assert taken == pa.default_memory_pool().backend_name
    second.close()

    assert usual == pa.default_memory_pool().backend_name
