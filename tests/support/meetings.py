"""Two writers that meet in one destination, of each kind, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timezone
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.errors import RequestFailed, UnknownPartition
from mailpartner_provider.hooks.retrying import TRIES
from mailpartner_provider.lake.layouts import CREATED, INDEX, LAYOUTS, SNAPSHOT
from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.privacy.erasure import erase
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.api import listing
from tests.support.created import Records
from tests.support.days import PARIS, days_ago, today, tomorrow, yesterday
from tests.support.erasing import NAMED, NOW, ZOE
from tests.support.lake import partition_name, receipt_name
from tests.support.steps import Writer, meetings
from tests.support.stores import Store

Work = Callable[[Any], object]


def equal(number: int) -> Records:
    """Return the list as of a request; each makes a file of the same size."""
    return [
        {"id": 1, "email": f"{number:03}@example.com", "createdAt": "2015-07-20 10:19:45"},
        {"id": 2, "email": "undated@example.com", "createdAt": None},
        {"id": 9, "email": ZOE, "createdAt": "2020-02-02 02:02:02"},
    ]


def differing(number: int) -> Records:
    """Return the list as of a request: it grows by some records, and loses them again."""
    more = [
        {"id": 10, "email": "dora@example.com", "createdAt": "2015-07-20 10:19:45"},
        {"id": 11, "email": "emil@example.com", "createdAt": "2016-01-01 00:00:00"},
    ]
    return [*equal(0), *(more if number % 2 else [])]


LISTS = {"equal": equal, "differing": differing}


class Account:
    """The API, with another list at each request.

    :param people: returns the list as of a request
    """

    def __init__(self, people: Callable[[int], Records]) -> None:
        self.newest = self.late = people(0)
        self._people = people
        self._requests = 0

    def fetch(self, observed_on: date | None = None) -> UnsubscribeStream:
        """Return an answer; the newest one that was observed today counts."""
        records = self._next()
        if observed_on:
            return _stream(records, datetime.combine(observed_on, time(12), PARIS))
        self.newest = records
        return self.fetch_again()

    def fetch_late(self) -> UnsubscribeStream:
        """Return an answer that is observed today, but asked for because of an earlier day."""
        self.late = self._next()
        return _stream(self.late, datetime.now(timezone.utc))

    def fetch_again(self) -> UnsubscribeStream:
        """Return the newest answer, observed now."""
        return _stream(self.newest, datetime.now(timezone.utc))

    def _next(self) -> Records:
        self._requests += 1
        return self._people(self._requests - 1)


class Meeting(NamedTuple):
    """What happened before, and the two who meet."""

    before: list[Work]
    one: Work
    other: Work


class Lander:
    """Landings of an account in one layout."""

    def __init__(self, account: Account, partition_by: str, keep_days: int | None = None) -> None:
        self.account = account
        self._partition_by = partition_by
        self._keep_days = keep_days

    def live(self, destination: Any, day: date | None = None) -> SnapshotReceipt:
        """Land the list of today, or that of an earlier day as if it were that day."""
        return self._land(destination, day or today(), partial(self.account.fetch, day), day)

    def backfill(self, destination: Any, day: date | None = None) -> None:
        """Land the list of today as if it were tomorrow, or that of an earlier day."""
        with suppress(UnknownPartition):  # it may be the only live copy of its day
            if day is None:
                fetch = partial(self.account.fetch, tomorrow())
                self._land(destination, today(), fetch, tomorrow())
                return
            receipt = self._land(destination, day, self.account.fetch_late)
            if receipt.changed and receipt.day == today():  # the list of today was not whole
                self.account.newest = self.account.late

    def overdue(self, destination: Any, day: date) -> None:
        """Land the list of an earlier day on that day, or, if that fails, today."""
        try:
            self._land(destination, day, partial(self.account.fetch, day), day, tries=1)
        except RequestFailed:
            self.backfill(destination, day)

    def again(self, destination: Any) -> SnapshotReceipt:
        """Land the newest list once more."""
        return self._land(destination, today(), self.account.fetch_again)

    def _land(
        self,
        destination: Any,
        day: date,
        fetch: Callable[[], UnsubscribeStream],
        on: date | None = None,
        tries: int = TRIES,
    ) -> SnapshotReceipt:
        request = SnapshotRequest(
            day,
            PARIS,
            destination,
            Limits(max_shrink=None),
            partition_by=self._partition_by,
            keep_days=self._keep_days if day == today() else None,
        )
        for _ in range(tries - 1):
            with suppress(RequestFailed):
                return land_snapshot(request, on or today(), fetch, lambda _: None)
        return land_snapshot(request, on or today(), fetch, lambda _: None)


def _landings(lander: Lander, partition_by: str) -> Meeting:
    return Meeting([], lander.live, lander.live)


def _relandings(lander: Lander, partition_by: str) -> Meeting:
    return Meeting([_on(lander.live, yesterday()), lander.live], lander.live, lander.live)


def _erasure(lander: Lander, partition_by: str) -> Meeting:
    before = [_on(lander.live, yesterday()), lander.live]
    return Meeting(before, lander.live, lambda lake: erase(lake, [ZOE], [], NOW))


def _backfill(lander: Lander, partition_by: str) -> Meeting:
    """In the layout ``created`` a landing of today meets one of yesterday, which also is of the one
    list; otherwise a landing of today meets one of today that comes after midnight."""
    if partition_by == CREATED:
        before = [_on(lander.live, days_ago(2))]
        return Meeting(before, lander.live, _on(lander.backfill, yesterday()))
    return Meeting([_on(lander.live, yesterday())], lander.live, lander.backfill)


def _midnight(lander: Lander, partition_by: str) -> Meeting:
    """A landing of today meets one of yesterday that began before midnight, and ends late."""
    before = [_on(lander.live, days_ago(2))]
    return Meeting(before, lander.live, _on(lander.overdue, yesterday()))


def _retention(lander: Lander, partition_by: str) -> Meeting:
    """A landing that removes an old day meets a landing of that day."""
    before = [_on(lander.live, days_ago(6)), _on(lander.live, days_ago(5))]
    return Meeting(before, lander.live, _on(lander.backfill, days_ago(6)))


def _retention_of_backfill(lander: Lander, partition_by: str) -> Meeting:
    before = [_on(lander.backfill, days_ago(6)), _on(lander.live, days_ago(5))]
    return _retention(lander, partition_by)._replace(before=before)


def _retention_twice(lander: Lander, partition_by: str) -> Meeting:
    return _retention(lander, partition_by)._replace(other=lander.live)


MEETINGS = {
    "first landings": _landings,
    "landings": _relandings,
    "erasure": _erasure,
    "backfill": _backfill,
    "midnight": _midnight,
    "retention": _retention,
    "retention of a backfill": _retention_of_backfill,
    "two retentions": _retention_twice,
}
#: Each kind with each layout and list; if the two differ, also with their roles exchanged.
WALKS = [
    (kind, partition_by, people, reverse)
    for kind in MEETINGS
    for partition_by in LAYOUTS
    for people in LISTS
    for reverse in ([False] if kind.endswith(("landings", "retentions")) else [False, True])
    if partition_by == SNAPSHOT or "retention" not in kind
]
SOME_WALKS = [case for case in WALKS if case[2] == "differing" and not case[3]]


def parameters(walks: list[tuple[str, str, str, bool]]) -> list[Any]:
    """Return walks as parameters of a test."""
    return [
        pytest.param(case, id=", ".join([*case[:3], *(["roles exchanged"] if case[3] else [])]))
        for case in walks
    ]


def walk(store: Store, case: tuple[str, str, str, bool], every: int) -> int:
    """Walk two writers through each pair of their steps, and check each; return how often."""
    kind, partition_by, people, reverse = case
    walked = 0
    fresh: list[tuple[Store, Lander]] = []

    def begin() -> tuple[Writer, Writer]:
        place = store.another()
        keep_days = 2 if "retention" in kind else None
        lander = Lander(Account(LISTS[people]), partition_by, keep_days)
        meeting = MEETINGS[kind](lander, partition_by)
        for work in meeting.before:
            work(place.open())
        fresh.append((place, lander))
        pair = (meeting.other, meeting.one) if reverse else (meeting.one, meeting.other)
        one, other = (Writer(work, place.open()) for work in pair)
        return one, other

    for steps in meetings(begin, every):
        walked += 1
        place, lander = fresh.pop()
        try:
            _check(place, lander, partition_by, kind)
        except Exception as error:
            raise AssertionError(f"after {steps} steps, in {place.uri}") from error
    return walked


def holds_newest(
    files: dict[str, bytes], lander: Lander, partition_by: str, *, is_erased: bool
) -> dict[str, bytes]:
    """Check that the newest list stands, and that every manifest is that of its files; return the
    partitions."""
    expected = {
        (each["id"], NAMED if is_erased and each["email"] == ZOE else each["email"])
        for each in lander.account.newest
    }
    partitions = _declared(files, partition_by)
    assert expected == _people(partitions, partition_by)
    return partitions


def _check(store: Store, lander: Lander, partition_by: str, kind: str) -> None:
    """The newest list stands, every manifest is that of its files, and landing it again changes
    nothing, but removes what was landed for an old day after that had been removed."""
    is_erased, keeps_days = kind == "erasure", "retention" in kind
    files = store.files()
    partitions = holds_newest(files, lander, partition_by, is_erased=is_erased)

    receipt = lander.again(store.open())

    files, before = store.files(), partitions
    partitions = _declared(files, partition_by)
    assert partitions.items() <= before.items()
    if keeps_days:
        assert partition_name(days_ago(5)) in partitions  # the last live one before today
    else:
        assert partitions == before
    assert not receipt.changed
    assert receipt.to_json() == files[receipt_name()].decode()
    if is_erased:
        assert not [name for name, data in files.items() if ZOE.encode() in _plain(name, data)]


def _declared(files: dict[str, bytes], partition_by: str) -> dict[str, bytes]:
    """Return the partitions, which must be those that their manifests declare, and no others."""
    partitions = {name: data for name, data in files.items() if name.startswith("dt=")}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in partitions.items()}
    receipts = {
        name: json.loads(data) for name, data in files.items() if name.startswith("_receipts/")
    }
    if partition_by == CREATED:
        index = json.loads(files.pop(INDEX))
        assert digests == {
            name: each if isinstance(each, str) else each["sha256"] for name, each in index.items()
        }
        text = "".join(f"{each}\n" for each in sorted(digests.values()))
        newest = receipts[max(receipts)]
        assert hashlib.sha256(text.encode()).hexdigest() == newest["sha256"]
    else:
        assert digests == {
            partition_name(receipt["snapshot_date"]): receipt["sha256"]
            for receipt in receipts.values()
        }
    assert "live" == receipts[receipt_name()]["status"]
    assert not [name for name in files if name.startswith(".")]
    return partitions


def _people(partitions: dict[str, bytes], partition_by: str) -> set[tuple[int, str]]:
    """Read the ids and addresses of today's list."""
    if partition_by == SNAPSHOT:
        partitions = {partition_name(): partitions[partition_name()]}
    rows = [row for data in partitions.values() for row in _table(data).to_pylist()]
    people = {(row["id"], row["email"]) for row in rows}
    assert len(people) == len(rows)
    return people


def _plain(name: str, data: bytes) -> bytes:
    return str(_table(data).to_pylist()).encode() if name.endswith(".parquet") else data


def _table(data: bytes) -> Any:
    return pq.ParquetFile(BytesIO(data)).read()


def _on(work: Callable[[Any, date], object], day: date) -> Work:
    return lambda destination: work(destination, day)


def _stream(records: Records, observed_at: datetime) -> UnsubscribeStream:
    body = json.dumps(listing(records)).encode()
    return UnsubscribeStream([body], PARIS, observed_at=observed_at)
