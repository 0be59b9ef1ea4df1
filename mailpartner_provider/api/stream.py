"""The bytes of an answer become blocks of typed rows, in memory that does not grow with the list.

The envelope is read member by member. The records of ``data`` are cut into blocks of about a
megabyte, which two threads decode. Each cut is made at a ``},``, assuming that a record ends there.
Decoding checks this: ``[`` + block + ``]`` is valid JSON only if the block holds whole records. A
block that fails is put back, with everything that was cut after it, and read value by value.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mailpartner_provider.api.blocks import Block, decode_block
from mailpartner_provider.api.envelope import (
    UNSUBSCRIBE_LIST,
    broken,
    declared_records,
    paging,
    read_xml,
    refusal,
)
from mailpartner_provider.api.source import MAX_VALUE_BYTES, AnswerSource, parse_value
from mailpartner_provider.errors import MailPartnerError, RequestFailed, naming_connection

BLOCKS_AHEAD = 4
MAX_MEMBERS_BYTES = 2 * MAX_VALUE_BYTES
MAX_MEMBERS = 1000
MAX_XML_BYTES = 2**20

_THREADS = 2


class UnsubscribeStream:
    """One answer of ``unsubscribe/list`` as blocks of typed rows; iterate over it once.

    The iteration ends with an error unless the answer is complete, reports success, and holds at
    least as many records as it declares.

    :param chunks: the body, decompressed, cut anywhere
    :param zone: the zone of a ``createdAt`` that names none
    :param observed_at: the instant at which the answer began
    :param content_type: the media type that the answer states
    :param mask: removes the API key from a text
    :param conn_id: the connection, which errors name
    :param close: stops receiving
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        zone: ZoneInfo,
        *,
        observed_at: datetime,
        content_type: str = "",
        mask: Callable[[str], str] = str,
        conn_id: str = "",
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.received = 0
        self.observed_at = observed_at
        self.close = close
        self._began = time.monotonic()
        self._chunks = chunks
        self._zone = zone
        self._content_type = content_type or "of no stated media type"
        self._mask = mask
        self._conn_id = conn_id
        self._envelope: dict[str, Any] = {}

    @property
    def declared(self) -> int | None:
        """The number of records that the answer declares, once it has been read."""
        return declared_records(self._envelope, call=UNSUBSCRIBE_LIST)

    @property
    def seconds(self) -> float:
        """The seconds since the answer began, by a monotonic clock."""
        return time.monotonic() - self._began

    def __iter__(self) -> Iterator[Block]:
        with naming_connection(self._conn_id):
            self._source = AnswerSource(self._chunks)
            for block in self._members():
                self.received += block.received
                yield block
            self._verify()

    def _members(self) -> Iterator[Block]:
        """Read the envelope; yield the blocks of ``data`` if it is an array or an object."""
        source, members = self._source, self._envelope
        if not source.accept("{"):
            raise self._not_json()
        size, closed = 0, source.accept("}")
        while not closed:
            name = source.member_name()
            size += len(name)
            if name in members:
                raise broken("its envelope has a member twice")
            if len(members) == MAX_MEMBERS or size > MAX_MEMBERS_BYTES:
                raise broken("its envelope has too many members")
            if name == "data" and source.accept("["):
                members[name] = []
                yield from self._array()
            elif name == "data" and source.accept("{"):
                members[name] = []
                yield from self._numbered_object()
            else:
                value = source.value()
                size += len(value)
                members[name] = parse_value(value)
            closed = source.accept_end("}")
        if not source.at_end():
            raise broken("something follows its end")

    def _not_json(self) -> MailPartnerError:
        """Return the error for an answer that is not a JSON object."""
        beginning = self._source.peek(MAX_XML_BYTES + 1)
        members = read_xml(beginning, call=UNSUBSCRIBE_LIST)
        error = members and refusal(members, call=UNSUBSCRIBE_LIST, mask=self._mask)
        kind = self._content_type if beginning else "empty"
        return error or broken(f"it is {kind}, not a JSON object")

    def _array(self) -> Iterator[Block]:
        """Decode the records of an array, in order, while two threads decode the next blocks."""
        cuts: deque[tuple[bytes, Future[Block | None]]] = deque()
        closed = self._source.accept("]")
        with ThreadPoolExecutor(_THREADS) as pool:
            while not closed:
                data = self._source.cut_block() if len(cuts) < BLOCKS_AHEAD else None
                if data is not None:
                    cuts.append((data, pool.submit(decode_block, data, self._zone)))
                    continue
                block = cuts[0][1].result() if cuts else None
                if block is None:
                    self._source.put_back([cut for cut, _ in cuts])
                    cuts.clear()
                    block, closed = self._read_by_value()
                else:
                    cuts.popleft()
                yield block

    def _read_by_value(self) -> tuple[Block, bool]:
        """Read and decode array elements one by one; return them and whether the array ended."""
        records, size, closed = [], 0, False
        while size < self._source.block_bytes and not closed:
            records.append(self._source.value())
            size += len(records[-1])
            closed = self._source.accept_end("]")
        return self._decoded(records), closed

    def _numbered_object(self) -> Iterator[Block]:
        """Decode the records of an object keyed ``"0"``, ``"1"``, ...: a PHP array with gaps."""
        records, size, last, closed = [], 0, -1, self._source.accept("}")
        while not closed:
            key = self._source.member_name()
            if not re.fullmatch("[0-9]{1,18}", key) or int(key) <= last:
                raise broken("data is an object, and its keys are not ascending numbers")
            last = int(key)
            records.append(self._source.value())
            size += len(records[-1])
            closed = self._source.accept_end("}")
            if size >= self._source.block_bytes or closed:
                yield self._decoded(records)
                records, size = [], 0

    def _decoded(self, records: list[bytes]) -> Block:
        block = decode_block(b",".join(records), self._zone)
        if block is None:
            raise broken("its bytes are not UTF-8, or its nesting is too deep to read")
        return block

    def _verify(self) -> None:
        """Compare the answer with what its envelope declares."""
        error = refusal(self._envelope, call=UNSUBSCRIBE_LIST, mask=self._mask)
        if error or (error := paging(self._envelope, call=UNSUBSCRIBE_LIST)):
            raise error
        data, declared = self._envelope.get("data"), self.declared
        is_empty = data is None and declared == 0
        if not is_empty and not isinstance(data, list):
            raise broken("it has no list of records, and does not declare that there are none")
        if declared is not None and self.received < declared:
            raise RequestFailed(
                f"the answer of {UNSUBSCRIBE_LIST} is truncated: it declares {declared} records "
                f"and holds {self.received}",
                call=UNSUBSCRIBE_LIST,
            )
