"""The bytes of an answer, consumed value by value or block by block, never held as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from mailpartner_provider.api.envelope import broken
from mailpartner_provider.exact_json import parse_json

BLOCK_BYTES = 2**20
MAX_VALUE_BYTES = 64 * 2**20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_SPACE = re.compile("[^ \t\r\n]")
# Finds the end of a value. Numbers are not converted: Python refuses those of 5,000 digits.
_measure = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode


class AnswerSource:
    """The received and not yet consumed bytes of an answer.

    :param chunks: the body, cut anywhere
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._position = 0
        self._decoded: str | None = None
        self._ended = False
        self.block_bytes = BLOCK_BYTES
        self._fill(len(_BYTE_ORDER_MARK))
        self._hold(self._held.removeprefix(_BYTE_ORDER_MARK))

    def accept(self, character: str) -> bool:
        """Consume the next non-whitespace character if it equals ``character``."""
        if self.at_end() or self._text[self._position] != character:
            return False
        self._position += 1
        return True

    def expect(self, character: str) -> None:
        """Consume the next non-whitespace character, which must equal ``character``."""
        if not self.accept(character):
            raise broken("it ends too early" if self.at_end() else "it is not JSON")

    def accept_end(self, closer: str) -> bool:
        """Consume what follows an element: ``closer`` (True), or a comma (False)."""
        if self.accept(closer):
            return True
        self.expect(",")
        return False

    def at_end(self) -> bool:
        """Skip whitespace, and return whether nothing else is left."""
        while True:
            if found := _NO_SPACE.search(self._text, self._position):
                self._position = found.start()
                return False
            self._position = len(self._text)
            if self._ended:
                return True
            self._fill(1)

    def peek(self, size: int) -> bytes:
        """Return up to ``size`` bytes without consuming them."""
        self.at_end()
        self._fill(size)
        return self._held[:size]

    def member_name(self) -> str:
        """Consume the name of an object's member and the colon after it."""
        data = self.value()
        if not data.startswith(b'"'):
            raise broken("it is not JSON")
        self.expect(":")
        return str(parse_value(data))

    def value(self) -> bytes:
        """Consume one complete value, and return its bytes."""
        self.at_end()
        while True:
            end = _end_of_value(self._text, self._position)
            if (end or len(self._text)) - self._position > MAX_VALUE_BYTES:
                raise broken(f"it is not JSON, or has a value of over {MAX_VALUE_BYTES >> 20} MiB")
            # Up to two characters after a number may still belong to it: ``1e+`` of ``1e+5``.
            if self._ended or (end and len(self._text) - end > 2):
                break
            self._fill(2 * (len(self._held) - self._position) + 1)
        if end is None:
            raise broken("it ends too early, or is not JSON")
        value = self._held[self._position : end]
        self._position = end
        return value

    def cut_block(self) -> bytes | None:
        """Consume up to a ``},``, where a record probably ends; return None if there is none."""
        if len(self._held) - self._position < self.block_bytes:
            self._fill(self.block_bytes)
        end = self._held.rfind(b"},", self._position, self._position + self.block_bytes)
        if end < 0:
            return None
        block = self._held[self._position : end + 1]
        self._position = end + 2
        return block

    def put_back(self, blocks: list[bytes]) -> None:
        """Undo the last calls of ``cut_block``, which returned these blocks."""
        self._hold(b",".join([*blocks, self._held[self._position :]]))

    def _fill(self, size: int) -> None:
        """Hold at least ``size`` unconsumed bytes, or all that are left."""
        parts = [self._held[self._position :]]
        held = len(parts[0])
        while held < size and not self._ended:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                parts.append(chunk)
                held += len(chunk)
        self._hold(b"".join(parts))

    def _hold(self, unconsumed: bytes) -> None:
        self._held, self._position, self._decoded = unconsumed, 0, None

    @property
    def _text(self) -> str:
        """The held bytes as a text with one character for each byte, so that positions agree."""
        if self._decoded is None:
            self._decoded = self._held.decode("latin-1")
        return self._decoded


def parse_value(data: bytes) -> Any:
    """Parse the bytes of one value.

    :raises RequestFailed: they are not JSON in UTF-8
    """
    try:
        return parse_json(data.decode())
    except (ValueError, RecursionError):
        pass  # raised below, so that an error that quotes the text is not its context
    raise broken("it is not JSON in UTF-8")


def _end_of_value(text: str, start: int) -> int | None:
    """Return where a value ends; None when it is incomplete."""
    try:
        return _measure(text, start)[1]
    except ValueError:
        return None
    except RecursionError:
        pass  # as above
    raise broken("its nesting is too deep to read")
