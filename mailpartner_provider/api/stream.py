"""From the bytes of an answer to blocks of typed rows, in memory that does not grow with the list.

The envelope is read member by member. The records of ``data`` are cut into blocks at a ``},`` near
every two megabytes, on the guess that a record ends there, and decoded by two threads. Decoding
proves the guess: ``[`` + block + ``]`` is JSON only when the block ends where a record ends. A
block that fails the proof goes back, with all that was cut after it, and is walked by value.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mailpartner_provider.api import envelope
from mailpartner_provider.api.blocks import Block, decode_block
from mailpartner_provider.api.records import parse_json
from mailpartner_provider.errors import MailPartnerError, RequestFailed

CALL = "unsubscribe/list"
BLOCK_BYTES = 2 * 2**20
BLOCKS_AHEAD = 8
MAX_VALUE_BYTES = 64 * 2**20
MAX_MEMBERS_BYTES = 2 * MAX_VALUE_BYTES
MAX_MEMBERS = 1000
MAX_XML_BYTES = 2**20

_THREADS = 2
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_SPACE = re.compile("[^ \t\r\n]")
# Finds where a value ends. Numbers are only measured: reading one of 5,000 digits would raise.
_measure = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode


class UnsubscribeStream:
    """One answer of ``unsubscribe/list``, as blocks of typed rows; to be iterated once.

    Iterating raises before it ends unless the answer is whole, says success, and holds at least
    as many records as it declares.

    :param chunks: the body, decompressed, cut anywhere
    :param zone: the zone of a ``createdAt`` that names none
    :param observed_at: the instant at which the answer began
    :param content_type: what the answer says of its kind
    :param mask: takes the API key out of a text
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        zone: ZoneInfo,
        *,
        observed_at: datetime,
        content_type: str = "",
        mask: Callable[[str], str] = str,
    ) -> None:
        self.received = 0
        self.observed_at = observed_at
        self._began = time.monotonic()
        self._source = _Source(chunks)
        self._zone = zone
        self._content_type = content_type or "of no stated kind"
        self._mask = mask
        self._envelope: dict[str, Any] = {}

    @property
    def declared(self) -> int | None:
        """The number of records that the answer declares, once that was read."""
        return envelope.declared(self._envelope, call=CALL)

    @property
    def seconds(self) -> float:
        """How long ago the answer began, whatever the clock has done since."""
        return time.monotonic() - self._began

    def __iter__(self) -> Iterator[Block]:
        for block in self._members():
            self.received += block.received
            yield block
        self._verify()

    def _members(self) -> Iterator[Block]:
        """Read the envelope; where its member ``data`` is a collection, yield the blocks."""
        source, seen = self._source, self._envelope
        if not source.took("{"):
            raise self._not_json()
        size, closed = 0, source.took("}")
        while not closed:
            name = source.name()
            size += len(name)
            if name in seen:
                raise broken("its envelope has a member twice")
            if len(seen) == MAX_MEMBERS or size > MAX_MEMBERS_BYTES:
                raise broken("its envelope has too many members")
            if name == "data" and source.took("["):
                seen[name] = []
                yield from self._array()
            elif name == "data" and source.took("{"):
                seen[name] = []
                yield from self._numbered_object()
            else:
                value = source.value()
                size += len(value)
                seen[name] = _parsed(value)
            closed = source.closed("}")
        if not source.at_end():
            raise broken("something follows after its end")

    def _not_json(self) -> MailPartnerError:
        """Say what an answer is that is no JSON object."""
        beginning = self._source.beginning(MAX_XML_BYTES + 1)
        members = envelope.read_xml(beginning, call=CALL)
        refusal = members and envelope.refusal(members, call=CALL, mask=self._mask)
        kind = self._content_type if beginning else "empty"
        return refusal or broken(f"it is {kind}, not a JSON object")

    def _array(self) -> Iterator[Block]:
        """Decode the records of an array, in order, while two threads decode those ahead."""
        source = self._source
        cuts: deque[tuple[bytes, Future[Block | None]]] = deque()
        closed = source.took("]")
        with ThreadPoolExecutor(_THREADS) as pool:
            while not closed:
                text = source.cut_block() if len(cuts) < BLOCKS_AHEAD else None
                if text is not None:
                    cuts.append((text, pool.submit(decode_block, text, self._zone)))
                    continue
                block = cuts[0][1].result() if cuts else None
                if block is None:
                    source.give_back([cut for cut, _ in cuts])
                    cuts.clear()
                    block, closed = self._walk()
                else:
                    cuts.popleft()
                yield block

    def _walk(self) -> tuple[Block, bool]:
        """Decode records of an array that are found value by value; say whether it closed."""
        records, size, closed = [], 0, False
        while size < BLOCK_BYTES and not closed:
            records.append(self._source.value())
            size += len(records[-1])
            closed = self._source.closed("]")
        return self._proved(records), closed

    def _numbered_object(self) -> Iterator[Block]:
        """Decode the records of an object keyed ``"0"``, ``"1"``, ...: a PHP array with gaps."""
        source = self._source
        records, size, last, closed = [], 0, -1, source.took("}")
        while not closed:
            key = source.name()
            if not re.fullmatch("[0-9]{1,18}", key) or int(key) <= last:
                raise broken("data is an object, and its keys are not ascending numbers")
            last = int(key)
            records.append(source.value())
            size += len(records[-1])
            closed = source.closed("}")
            if size >= BLOCK_BYTES or closed:
                yield self._proved(records)
                records, size = [], 0

    def _proved(self, records: list[bytes]) -> Block:
        block = decode_block(b",".join(records), self._zone)
        if block is None:
            raise broken("its bytes are not UTF-8, or its nesting is too deep to read")
        return block

    def _verify(self) -> None:
        """Hold the answer against what it says of itself."""
        seen = self._envelope
        refusal = envelope.refusal(seen, call=CALL, mask=self._mask)
        if refusal or (refusal := envelope.paging(seen, call=CALL)):
            raise refusal
        data, declared = seen.get("data"), self.declared
        is_empty = data is None and declared == 0
        if not is_empty and not isinstance(data, list):
            raise broken("it has no list of records, and does not declare that there are none")
        if declared is not None and self.received < declared:
            raise RequestFailed(
                f"{CALL}: the answer is truncated: it declares {declared} records and holds "
                f"{self.received}"
            )


class _Source:
    """The bytes of the answer that were received and not yet used."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._shown: str | None = None
        self._ended = False
        self._fill(len(_BYTE_ORDER_MARK))
        self._hold(self._held.removeprefix(_BYTE_ORDER_MARK))

    def took(self, character: str) -> bool:
        """Use the next character that is no white space, if it is this one."""
        if self.at_end() or self._text[self._at] != character:
            return False
        self._at += 1
        return True

    def take(self, character: str) -> None:
        """Use the next character that is no white space, which must be this one."""
        if not self.took(character):
            raise broken("it ends too early" if self.at_end() else "it is not JSON")

    def closed(self, closer: str) -> bool:
        """Use what follows on an element of a collection: its end, or a comma."""
        if self.took(closer):
            return True
        self.take(",")
        return False

    def at_end(self) -> bool:
        """Skip white space and say whether nothing else is left."""
        while True:
            if found := _NO_SPACE.search(self._text, self._at):
                self._at = found.start()
                return False
            self._at = len(self._text)
            if self._ended:
                return True
            self._fill(1)

    def beginning(self, size: int) -> bytes:
        """Give the next so many bytes without using them."""
        self.at_end()
        self._fill(size)
        return self._held[:size]

    def name(self) -> str:
        """Use the name of a member, and the colon after it."""
        text = self.value()
        if not text.startswith(b'"'):
            raise broken("it is not JSON")
        self.take(":")
        return str(_parsed(text))

    def value(self) -> bytes:
        """Use one whole value, and give its bytes."""
        self.at_end()
        while True:
            end = _end_of_value(self._text, self._at)
            if (end or len(self._text)) - self._at > MAX_VALUE_BYTES:
                raise broken(f"it is not JSON, or has a value of over {MAX_VALUE_BYTES >> 20} MiB")
            # Up to two characters after a number may yet belong to it: ``1e+`` of ``1e+5``.
            if self._ended or (end and len(self._text) - end > 2):
                break
            self._fill(2 * (len(self._held) - self._at) + 1)
        if end is None:
            raise broken("it ends too early, or is not JSON")
        value = self._held[self._at : end]
        self._at = end
        return value

    def cut_block(self) -> bytes | None:
        """Use what may be whole records, and the comma after them; None when no place is found."""
        if len(self._held) - self._at < BLOCK_BYTES:
            self._fill(BLOCK_BYTES)
        end = self._held.rfind(b"},", self._at, self._at + BLOCK_BYTES)
        if end < 0:
            return None
        block = self._held[self._at : end + 1]
        self._at = end + 2
        return block

    def give_back(self, blocks: list[bytes]) -> None:
        """Undo the cuts of these blocks."""
        self._hold(b",".join([*blocks, self._held[self._at :]]))

    def _fill(self, size: int) -> None:
        """Hold at least so many unused bytes, or all that are left."""
        parts = [self._held[self._at :]]
        held = len(parts[0])
        while held < size and not self._ended:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                parts.append(chunk)
                held += len(chunk)
        self._hold(b"".join(parts))

    def _hold(self, unused: bytes) -> None:
        self._held, self._at, self._shown = unused, 0, None

    @property
    def _text(self) -> str:
        """What is held, as text of one character a byte, so that positions agree."""
        if self._shown is None:
            self._shown = self._held.decode("latin-1")
        return self._shown


def broken(why: str) -> RequestFailed:
    """Describe an answer that cannot be read, without a byte of it."""
    return RequestFailed(f"{CALL}: the answer is broken: {why}")


def _parsed(text: bytes) -> Any:
    try:
        return parse_json(text.decode())
    except (ValueError, RecursionError):
        pass  # the error would carry the text along
    raise broken("it is not JSON in UTF-8")


def _end_of_value(text: str, start: int) -> int | None:
    """Find where a value ends; None when it is not whole."""
    try:
        return _measure(text, start)[1]
    except ValueError:
        return None
    except RecursionError:
        pass  # the error would carry the text along
    raise broken("its nesting is too deep to read")
