"""Arrow's memory during a landing."""

from __future__ import annotations

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


def test_overlapping():
    """Of two landings at once, the last to end restores the pool that the first one found."""
    usual = pa.default_memory_pool().backend_name
    first, second = least_memory(), least_memory()

    first.__enter__()
    during = pa.default_memory_pool().backend_name
    second.__enter__()
    first.__exit__(None, None, None)

    assert during == pa.default_memory_pool().backend_name
    second.__exit__(None, None, None)
    assert usual == pa.default_memory_pool().backend_name
