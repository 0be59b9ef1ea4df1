"""Fingerprints of addresses: 16-bit checksums that quickly rule out almost all rows of a column.

A SHA-256 has to be computed row by row; a fingerprint is computed for a whole column at once. The
list of erased people has the fingerprint of each plain address beside its hash. Only rows with one
of these fingerprints can be an erased person, and only they are hashed. A fingerprint reveals much
less about a person than the hash beside it.

A plain address has at least eight characters, all of them ASCII letters, digits or ``.+-_@``, and
begins and ends with a letter or digit. Almost every address is plain. Rows with any other text are
in doubt, and hashed too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mailpartner_provider.privacy.arrays import indices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PLAIN = re.compile("[A-Za-z0-9][A-Za-z0-9.+_@-]{6,}[A-Za-z0-9]")
_WORD_BYTES = 8
_CASE = 0x2020_2020_2020_2020  # the bit that tells small letters from capitals
_FACTORS = (0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9)
_BITS = 16


def is_plain(text: str) -> bool:
    """Return whether a text is plain: it can only be an address as a whole, not contain one."""
    return _PLAIN.fullmatch(text) is not None


def fingerprint(text: str) -> int | None:
    """Return the fingerprint of a plain text, ignoring case; None for any other text."""
    if not is_plain(text):
        return None
    data = text.encode("ascii")
    middle = (len(data) - _WORD_BYTES) // 2
    words = (data[at : at + _WORD_BYTES] for at in (0, middle))
    values = [*(int.from_bytes(word, "little") | _CASE for word in words), len(data)]
    mixed = sum(value * factor for value, factor in zip(values, _FACTORS, strict=True))
    return mixed % 2**64 >> (64 - _BITS)


def valid_fingerprint(value: Any) -> int | None:
    """Return a fingerprint, or None, that was read from a list of erased people.

    :raises ValueError: it is something else
    """
    if value is None or (type(value) is int and 0 <= value < 2**_BITS):
        return value
    raise ValueError("not a fingerprint")


def doubtful_rows(column: pa.Array, fingerprints: Iterable[int] | None) -> pa.Array:
    """Return the indices of the texts that are not plain, or have one of these fingerprints.

    :param column: texts, none of them null
    :param fingerprints: None when they are not known, so that every text is in doubt
    """
    import numpy as np

    if fingerprints is None or not len(column):
        return indices(np.arange(len(column)))
    offsets, data = _buffers(column)
    begin, end = offsets[:-1], offsets[1:]
    length = end - begin
    is_odd = length < _WORD_BYTES
    odd_bytes = np.flatnonzero(_is_odd_byte()[data])
    is_odd[np.searchsorted(end, odd_bytes, side="right")] = True
    long = np.flatnonzero(~is_odd)
    begin, end, length = begin[long], end[long], length[long]
    is_alphanumeric = _is_alphanumeric()
    is_doubtful = ~(is_alphanumeric[data[begin]] & is_alphanumeric[data[end - 1]])
    if len(long):
        words = np.ndarray((len(data) - _WORD_BYTES + 1,), "<u8", data, strides=(1,))
        middle = begin + (length - _WORD_BYTES) // 2
        mixed = length.astype("u8") * np.uint64(_FACTORS[2])
        for at, factor in zip((begin, middle), _FACTORS, strict=False):
            mixed += (words[at] | np.uint64(_CASE)) * np.uint64(factor)
        is_known = np.zeros(2**_BITS, bool)
        is_known[list(fingerprints)] = True
        is_doubtful |= is_known[mixed >> np.uint64(64 - _BITS)]
    is_odd[long] = is_doubtful
    return indices(np.flatnonzero(is_odd))


def _buffers(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the offsets at which texts begin, with the end of the last one, and their bytes."""
    import numpy as np

    _, buffer, data = column.buffers()
    offsets = np.frombuffer(buffer, np.int32)[column.offset :][: len(column) + 1]
    used = np.frombuffer(data or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], used


def _is_alphanumeric() -> NDArray[np.bool_]:
    return _table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def _is_odd_byte() -> NDArray[np.bool_]:
    return ~(_is_alphanumeric() | _table(b".+_@-"))


def _table(letters: bytes) -> NDArray[np.bool_]:
    import numpy as np

    table = np.zeros(256, bool)
    table[list(letters)] = True
    return table
