"""The push of a batch: plan it, add one person after the other, write its receipt."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from mailpartner_provider.api.additions import ADDED, ALREADY, INVALID, AddOutcome
from mailpartner_provider.days import iso_utc
from mailpartner_provider.lake.commit import Commit
from mailpartner_provider.lake.receipts import TaskRun
from mailpartner_provider.lake.retention import remove_old_pushes
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.pushes.batches import RECEIPT, Batch
from mailpartner_provider.pushes.journal import Journal
from mailpartner_provider.pushes.listed import Listed
from mailpartner_provider.pushes.pace import MINUTE
from mailpartner_provider.pushes.plan import Plan, check_max_added, make_plan
from mailpartner_provider.pushes.receipt import PushReceipt

REJECTED = "rejected.jsonl"


class PushRequest(NamedTuple):
    """The parameters of one push."""

    batch: Batch
    destination: Destination
    listed: Listed
    per_minute: int = 1000
    max_added: int = 10_000
    dry_run: bool = False
    keep_days: int | None = None
    run: TaskRun = TaskRun()


class Clock(NamedTuple):
    """The current instant in UTC, and a monotonic clock in seconds."""

    now: Callable[[], datetime]
    seconds: Callable[[], float]


def push_unsubscribes(
    request: PushRequest,
    rows: Iterable[str | None],
    add: Callable[[str], AddOutcome],
    heartbeat: Callable[[int, int], None],
    clock: Clock,
) -> PushReceipt:
    """Push the people who are not on the list, one after the other.

    :param rows: the addresses of people who opted out; None or blank where a row has none
    :param add: adds an address to the list; not called in a dry run
    :param heartbeat: called after every person with the number pushed so far, and the number of
        people to push; may raise
    :raises BadData: there are more people than ``max_added``, or a journal is damaged
    :raises Conflict: another task pushes the same batch, or replaces the snapshot
    :raises OSError: the snapshot cannot be read, or the destination cannot be written
    """
    began = clock.seconds()
    person_hash = request.listed.person_hash
    journal = Journal(request.destination, request.batch, person_hash.name, clock.seconds)
    resumed = len(journal.outcomes)
    with request.destination.scratch() as scratch:
        plan = make_plan(rows, request.listed, journal.outcomes, scratch)
    check_max_added(plan, resumed, request.max_added)
    if request.dry_run:
        seconds = math.ceil(len(plan.people) * MINUTE / request.per_minute)
        return _receipt(request, plan, journal, resumed, seconds)
    try:
        for number, (person, address) in enumerate(plan.people.items(), 1):
            outcome = add(address)
            landed = person_hash.landed(address)
            journal.record(person, landed, outcome, iso_utc(clock.now()))
            heartbeat(number, len(plan.people))
    finally:
        journal.flush()
    receipt = _receipt(request, plan, journal, resumed, round(clock.seconds() - began, 3))
    _publish(request, journal, person_hash.name, receipt)
    if request.keep_days:
        remove_old_pushes(request.destination, request.batch.day, request.keep_days)
    return receipt


def _receipt(
    request: PushRequest, plan: Plan, journal: Journal, resumed: int, seconds: float
) -> PushReceipt:
    counts = Counter(each.status for each in journal.outcomes.values())
    source = request.listed.receipt
    return PushReceipt(
        batch=request.batch.id,
        push_date=request.batch.day.isoformat(),
        uri=request.destination.uri(request.batch.file(RECEIPT)),
        dry_run=request.dry_run,
        given=plan.given,
        empty=plan.empty,
        distinct=plan.distinct,
        already_listed=plan.already_listed,
        to_push=plan.distinct - plan.already_listed,
        added=counts[ADDED],
        already=counts[ALREADY],
        invalid=counts[INVALID],
        resumed=resumed,
        per_minute=request.per_minute,
        seconds=seconds,
        ended_at=max((each.at for each in journal.outcomes.values()), default=None),
        snapshot_uri=source.uri,
        snapshot_date=source.snapshot_date,
        **request.run._asdict(),
    )


def _publish(request: PushRequest, journal: Journal, name: str, receipt: PushReceipt) -> None:
    """Write the invalid people to the quarantine, if there are any, then the receipt."""
    batch = request.batch
    lines = "".join(
        json.dumps({name: each.person, "reason": "the API takes it for no address (code 9)"}) + "\n"
        for each in journal.outcomes.values()
        if each.status == INVALID
    )
    with request.destination.scratch() as scratch:
        commit = Commit(request.destination, scratch)
        for what, text in ((REJECTED, lines), (RECEIPT, receipt.to_json())):
            if text:
                commit.info(batch.file(what))
                commit.write(batch.file(what), partial(str, text))
        commit.publish(lambda: None)
