"""Arrow arrays from numpy: ``pa.array`` would import pandas, which takes as long as a landing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def indices(values: NDArray[np.int64]) -> pa.Array:
    """Return integers as an array."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def booleans(values: Iterable[bool]) -> pa.Array:
    """Return truth values as an array."""
    import numpy as np

    flags = np.fromiter(values, bool)
    bits = np.packbits(flags, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, pa.py_buffer(bits)])


def mask(count: int, rows: Iterable[int]) -> pa.Array:
    """Return a mask that is true for the given rows."""
    import numpy as np

    flags = np.zeros(count, bool)
    flags[list(rows)] = True
    bits = np.packbits(flags, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(bits)])
