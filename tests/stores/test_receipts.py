"""The receipts of many days, read several at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date

import pytest

from mailpartner_provider.errors import LandingStopped
from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.history import read_receipts
from mailpartner_provider.warehouse.session import Stop
from tests.support.front import refusing
from tests.support.lake import receipt_name
from tests.support.receipts import RECEIPT
from tests.support.waiting import PATIENCE_SECONDS

DAYS = [date(2026, 10, day) for day in range(1, 31)]
AT_ONCE = 8


@pytest.fixture
def receipts(bucket, bucket_lake):
    """The receipts of many days in a bucket, each as the answer to one request."""
    for day in DAYS:
        receipt = replace(RECEIPT, snapshot_date=str(day))
        bucket[f"unsubscribes/{receipt_name(day)}"] = receipt.to_json().encode()
    bucket.asked.clear()
    return bucket


@pytest.fixture
def destination(receipts, bucket_lake):
    """The destination of these receipts."""
    return open_destination(bucket_lake.destination)


def request(day):
    return f"GET /lake/unsubscribes/{receipt_name(day)}"


def never():
    """Never stop."""


def test_in_order(receipts, destination):
    """They arrive in the order of the days, each by one request."""
    found = list(read_receipts(destination, DAYS, never))

    assert DAYS == [day for day, _ in found]
    assert DAYS == [receipt.day for _, receipt in found]
    assert sorted(map(request, DAYS)) == sorted(receipts.asked)


def test_several_at_a_time(receipts, destination):
    """Several requests are under way at once."""
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE_SECONDS)

    def meet(request):
        together.wait()
        return request.answer()

    receipts.fault = meet

    days = DAYS[: 2 * AT_ONCE]
    assert days == [day for day, _ in read_receipts(destination, days, never)]


def test_not_far_ahead(receipts, destination):
    """Only a few are read before they are needed."""
    begun = []
    days = (day for day in DAYS if not begun.append(day))
    reading = read_receipts(destination, days, never)

    for number in range(1, 11):
        next(reading)
        assert len(begun) < number + AT_ONCE
    reading.close()


def test_missing_and_damaged(receipts, destination, log):
    """A day whose receipt is missing or damaged has none; a damaged one is a warning."""
    missing, damaged = DAYS[:2]
    del receipts[f"unsubscribes/{receipt_name(missing)}"]
    receipts[f"unsubscribes/{receipt_name(damaged)}"] = b"{"

    found = dict(read_receipts(destination, DAYS, never))

    assert [missing, damaged] == [day for day in DAYS if found[day] is None]
    ignored = {day for day in DAYS if f"receipt {destination.uri(receipt_name(day))}:" in log()}
    assert {damaged} == ignored
    assert DAYS == list(found)


def test_refused(receipts, destination, log):
    """An error of the store is raised when its day has its turn: after the days before it, and
    before any warning about later ones."""
    receipts.fault = refusing(request(DAYS[12]))
    receipts[f"unsubscribes/{receipt_name(DAYS[13])}"] = b"{"
    found = []

    with pytest.raises(OSError, match=receipt_name(DAYS[12])):
        for day, _ in read_receipts(destination, DAYS, never):
            found.append(day)

    assert DAYS[:12] == found
    assert "Ignoring unreadable receipt" not in log()


def test_stopped(receipts, destination):
    """A task that is stopped does not wait for a store that does not answer."""
    stop, answered, waited_for = Stop(), threading.Event(), []

    def hold(request):
        stop.stop()
        if not answered.wait(PATIENCE_SECONDS):
            waited_for.append(request.asked)
        return request.answer()

    receipts.fault = hold
    try:
        with pytest.raises(LandingStopped):
            list(read_receipts(destination, DAYS, stop.raise_if_stopped))
    finally:
        answered.set()

    assert [] == waited_for
    assert len(receipts.asked) <= AT_ONCE
