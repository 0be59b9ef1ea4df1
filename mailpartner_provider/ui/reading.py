"""The receipts of many destinations, read by a few threads: a slow store delays no other."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import date
from queue import SimpleQueue
from typing import Any, NamedTuple

from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.lake.names import RECEIPTS, day_in_name, receipt_file
from mailpartner_provider.lake.receipts import Receipt, read_receipt
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.ui.overview import check

log = logging.getLogger(__name__)

#: The newest receipts of a destination that are read.
DAYS = 30
READERS, THREAD = 16, "mailpartner-page"
PATIENCE_SECONDS = 10.0
_KEPT_RECEIPTS = 20_000


class Found(NamedTuple):
    """A destination, its newest receipts, and a line of text for each unreadable one."""

    destination: Destination
    receipts: list[Receipt]
    odd: list[str]

    @property
    def uri(self) -> str:
        """The URI of the destination, without a slash at its end."""
        return self.destination.uri("").rstrip("/")


class Readers:
    """A few threads that call functions; callers who ask for the same call at once share one.

    So a store that does not respond occupies one thread, not one for each user of the page. The
    threads are daemons, and do not delay the end of the process.
    """

    def __init__(self, count: int = READERS) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._questions: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = (
            SimpleQueue()
        )
        self._asked: dict[object, Future[Any]] = {}
        self._lock = threading.Lock()

    def ask(self, read: Callable[..., Any], *about: Any) -> Future[Any]:
        """Call a function in a thread, or join the same call if there is one; return its future."""
        key = (read, about)
        with self._lock:
            if key in self._asked:
                return self._asked[key]
            answer: Future[Any] = Future()
            self._asked[key] = answer
            if len(self._threads) < self._count:
                self._threads.append(threading.Thread(target=self._work, name=THREAD, daemon=True))
                self._threads[-1].start()
        self._questions.put((answer, read, about))
        return answer

    def _work(self) -> None:
        while True:
            answer, read, about = self._questions.get()
            try:
                result, error = read(*about), None
            except Exception as caught:
                result, error = None, caught
            with self._lock:
                del self._asked[read, about]
            if error:
                answer.set_exception(error)
            else:
                answer.set_result(result)


_readers = Readers()
#: By URI and version of a receipt: the receipt, or why it cannot be read.
_known: dict[tuple[str, str], Receipt | str] = {}


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
    newest = [days[day] for day in sorted(days, reverse=True)[:DAYS]]
    read = [_read_receipt(destination, file, files[file].version) for file in newest]
    receipts = [each for each in read if isinstance(each, Receipt)]
    return Found(destination, receipts, [each for each in read if isinstance(each, str)])


def _read_receipt(destination: Destination, file: str, version: str) -> Receipt | str | None:
    """Read a receipt; return a text if it cannot be shown, None if there is none."""
    uri = destination.uri(file)
    if (uri, version) in _known:
        return _known[uri, version]
    content = destination.read(file)
    if content is None:
        return None
    try:
        receipt: Receipt = read_receipt(content.data, uri)
        if receipt.day != day_in_name(file):
            raise ValueError("it is the receipt of another day")
        check(receipt)
    except MailPartnerError as error:
        result: Receipt | str = f"{file}: {error}"
    except Exception as error:  # a damaged receipt must not hide the others
        log.warning("Cannot show %s: %s", uri, type(error).__name__)
        result = f"{file}: it is no receipt that can be shown ({type(error).__name__})"
    else:
        result = receipt
    if len(_known) >= _KEPT_RECEIPTS:
        _known.clear()
    _known[uri, content.version] = result
    return result


def _reason(name: str, error: BaseException) -> str:
    """Return why a destination is not shown; other libraries' errors may contain secrets."""
    log.warning("Cannot show %s: %s", name, type(error).__name__)
    known = isinstance(error, MailPartnerError | OSError)
    return str(error) if known else f"It cannot be opened ({type(error).__name__})"
