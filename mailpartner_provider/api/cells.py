"""Columns of a block in the API's own spelling, found by counting quotation marks.

The API writes ``{"id":7,"email":"a@example.com","createdAt":"2015-07-20 10:19:45"}``. Each record
has ten quotation marks, so that their positions show where the values begin and end. All bytes
between the values must equal this spelling; otherwise the block is left to a JSON parser, which
takes twice as long.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mailpartner_provider.api.columns import Columns, is_utf8

_BETWEEN = (b'"},{"id":', b',"email":"', b'","createdAt":"')
_MARKS = b"".join(_BETWEEN).count(b'"')
# Each text between values, and each value, begins near one of the ten marks: its number, and the
# distance from it.
_BESIDE, _DISTANCES = (0, 2, 3, 5, 6, 9), (0, 2, -1, 1, 0, 1)
# Added around a block: so the first record looks like the others, and no comparison reads too far.
_BEFORE, _AFTER = b'"},', b" " * max(map(len, _BETWEEN))


def cut_columns(data: bytes) -> Columns | None:
    """Read the columns of a block; return None when it is not in the API's own spelling.

    A block with a backslash or a control character is not, because JSON escapes would have to be
    decoded.
    """
    text = b"".join([_BEFORE, data, _AFTER])
    characters = np.frombuffer(text, np.uint8)
    if not data.endswith(b'"}') or b"\\" in data or characters.min() < ord(" "):
        return None
    marks = np.flatnonzero(characters == ord('"'))
    if len(marks) % _MARKS != 1 or not is_utf8(data):
        return None
    begins = marks[:-1].reshape(-1, _MARKS)[:, _BESIDE] + _DISTANCES
    for number, between in enumerate(_BETWEEN):
        if not _is_at_each(text, begins[:, 2 * number], between):
            return None
    first_digits = characters[begins[:, 1]]
    if first_digits.min() < ord("1") or first_digits.max() > ord("9"):  # such as 007: not JSON
        return None
    parts = _parts(text, np.append(begins, marks[-1]))
    written_ids, emails, created = (parts.take(_numbers(at, len(parts), 6)) for at in (1, 3, 5))
    try:
        return Columns(written_ids.cast(pa.int64()), emails, created, unknown={})
    except pa.ArrowInvalid:
        return None


def _is_at_each(text: bytes, begins: NDArray[np.int64], expected: bytes) -> bool:
    """Return whether a text has the expected bytes at each of these positions."""
    size = len(expected)
    windows = np.ndarray(len(text) - size + 1, f"S{size}", text, strides=(1,))
    return bool((windows[begins] == expected).all())


def _parts(text: bytes, edges: NDArray[np.int64]) -> pa.Array:
    """Return the parts of a text between adjacent edges, without copying it."""
    offsets = pa.py_buffer(edges.astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(edges) - 1, [None, offsets, pa.py_buffer(text)])


def _numbers(begin: int, end: int, step: int) -> pa.Array:
    """Return every n-th number; made from a buffer, because ``pa.array`` would import pandas."""
    numbers = np.arange(begin, end, step)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
