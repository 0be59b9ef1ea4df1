"""The receipts of many destinations, read by a few threads: a slow store delays no other."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any, NamedTuple, TypeVar

from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.lake.names import PUSHES, RECEIPTS, day_in_name, receipt_file
from mailpartner_provider.lake.receipts import Receipt, read_receipt
from mailpartner_provider.lake.storage import Destination, FileInfo
from mailpartner_provider.pushes.batches import CONFIRMED, RECEIPT, Batch, finished_batches
from mailpartner_provider.ui.overview import check, push_of
from mailpartner_provider.ui.readers import Readers

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: The number of newest landings of a destination that are read, and of newest pushes.
NEWEST = 30
PATIENCE_SECONDS = 10.0
_KEPT_RECEIPTS = 20_000


class Pushed(NamedTuple):
    """The receipt of a push, and the confirmation of its batch if there is one."""

    receipt: dict[str, Any]
    confirmation: dict[str, Any] | None = None


class Found(NamedTuple):
    """A destination, its newest receipts, and a line of text for each unreadable one."""

    destination: Destination
    receipts: list[Receipt]
    odd: list[str]
    pushes: list[Pushed]

    @property
    def uri(self) -> str:
        """The URI of the destination, without a slash at its end."""
        return self.destination.uri("").rstrip("/")


_readers = Readers()
#: By URI and version of a receipt: what it holds, or why it cannot be read.
_known: dict[tuple[str, str], Any] = {}


async def read_all(names: Iterable[str]) -> dict[str, Found | str]:
    """Read destinations; return the receipts of each, or the reason why it cannot be shown.

    :param names: destinations as users write them, possibly with a pattern such as ``account=*``
    """
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    matching = await _answers({name: (_find, name) for name in names}, until)
    unread = {name: each for name, each in matching.items() if isinstance(each, str)}
    listed = [name for each in matching.values() if not isinstance(each, str) for name in each]
    return unread | await _answers({name: (_read, name) for name in dict.fromkeys(listed)}, until)


async def read_day(found: Found, day: date) -> Receipt | None:
    """Read the receipt of a day; return None if there is none, or it cannot be read in time."""
    for receipt in found.receipts:
        if receipt.day == day:
            return receipt
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    question = (_read_receipt, found.destination, receipt_file(day), "")
    answer = (await _answers({"receipt": question}, until))["receipt"]
    return answer if isinstance(answer, Receipt) else None


async def _answers(questions: Mapping[str, tuple[Any, ...]], until: float) -> dict[str, Any]:
    """Ask all questions at once; return each answer, or the reason why it is missing as a text."""
    asked = {name: asyncio.wrap_future(_readers.ask(*each)) for name, each in questions.items()}
    left = until - asyncio.get_running_loop().time()
    if asked:
        await asyncio.wait(asked.values(), timeout=max(left, 0.1))
    return {name: _answer(name, future) for name, future in asked.items()}


def _answer(name: str, future: asyncio.Future[Any]) -> Any:
    if not future.done():
        return (
            f"It did not answer within {PATIENCE_SECONDS:.0f} seconds: check the store and its "
            "connection, or reload the page"
        )
    error = future.exception()
    return _reason(name, error) if error else future.result()


def _find(name: str) -> list[str]:
    from mailpartner_provider.hooks.storage import find_destinations

    return find_destinations(name)


def _read(name: str) -> Found:
    """Read the newest receipts of a destination; unchanged ones come from memory."""
    from mailpartner_provider.hooks.storage import open_destination

    destination = open_destination(name)
    files = destination.list_files(RECEIPTS)
    days = {day: file for file in files if (day := day_in_name(file)) and file == receipt_file(day)}
    newest = [days[day] for day in sorted(days, reverse=True)[:NEWEST]]
    read = [_read_receipt(destination, file, files[file].version) for file in newest]
    pushes = _read_pushes(destination)
    return Found(
        destination,
        [each for each in read if isinstance(each, Receipt)],
        [each for each in (*read, *pushes) if isinstance(each, str)],
        [each for each in pushes if isinstance(each, Pushed)],
    )


def _read_receipt(destination: Destination, file: str, version: str) -> Receipt | str | None:
    """Read a receipt; return a text if it cannot be shown, None if there is none."""

    def parse(data: bytes) -> Receipt:
        receipt: Receipt = read_receipt(data, destination.uri(file))
        if receipt.day != day_in_name(file):
            raise ValueError("it is the receipt of another day")
        check(receipt)
        return receipt

    return _read_file(destination, file, version, parse)


def _read_pushes(destination: Destination) -> list[Pushed | str]:
    """Read the receipts of the newest pushes; return a text for each that cannot be shown."""
    files = destination.list_files(PUSHES)
    newest = sorted(finished_batches(files), reverse=True)[:NEWEST]
    read = (_read_push(destination, batch, files) for batch in newest)
    return sorted(filter(None, read), key=_time_of_push, reverse=True)


def _read_push(
    destination: Destination, batch: Batch, files: Mapping[str, FileInfo]
) -> Pushed | str | None:
    def read(what: str, check: Callable[[dict[str, Any]], Any]) -> dict[str, Any] | str | None:
        def parse(data: bytes) -> dict[str, Any]:
            members = dict(json.loads(data))
            check(members)
            return members

        file = batch.file(what)
        return _read_file(destination, file, files[file].version, parse) if file in files else None

    receipt = read(RECEIPT, push_of)
    if receipt is None or isinstance(receipt, str):
        return receipt
    confirmation = read(CONFIRMED, partial(push_of, receipt))
    return confirmation if isinstance(confirmation, str) else Pushed(receipt, confirmation)


def _time_of_push(push: Pushed | str) -> str:
    members = {} if isinstance(push, str) else push.receipt
    return f"{members.get('push_date')} {members.get('ended_at')}"


def _read_file(
    destination: Destination, file: str, version: str, parse: Callable[[bytes], _T]
) -> _T | str | None:
    """Read a file, or return what was read of this version; a text if it cannot be shown."""
    uri = destination.uri(file)
    if (uri, version) in _known:
        known: _T | str = _known[uri, version]
        return known
    content = destination.read(file)
    if content is None:
        return None
    try:
        result: _T | str = parse(content.data)
    except MailPartnerError as error:
        result = f"{file}: {error}"
    except Exception as error:  # a damaged receipt must not hide the others
        log.warning("Cannot show %s: %s", uri, type(error).__name__)
        result = f"{file}: it is no receipt that can be shown ({type(error).__name__})"
    if len(_known) >= _KEPT_RECEIPTS:
        _known.clear()
    _known[uri, content.version] = result
    return result


def _reason(name: str, error: BaseException) -> str:
    """Return why a destination is not shown; other libraries' errors may contain secrets."""
    log.warning("Cannot show %s: %s", name, type(error).__name__)
    known = isinstance(error, MailPartnerError | OSError)
    return str(error) if known else f"It cannot be opened ({type(error).__name__})"
