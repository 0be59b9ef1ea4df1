"""A summary of receipts: whether today was landed, how the list changed, and what was pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from mailpartner_provider.days import day_of, parse_utc
from mailpartner_provider.lake.history import is_future
from mailpartner_provider.lake.names import receipt_file
from mailpartner_provider.lake.receipts import ChangesReceipt, Receipt, SnapshotReceipt

#: The states of a destination, the worst first.
STATES = UNREAD, LATE, SHRUNK, DUE, LANDED, PUSHED = (
    *("unread", "late", "shrunk", "due", "landed", "pushed"),
)
#: A list is "shrunk" if it lost more than this share in one landing of the last days.
SHRUNK_SHARE, SHRUNK_DAYS = 0.1, 7


class Landing(NamedTuple):
    """One landed day, compared with the previous snapshot if there is one.

    ``added`` and ``removed`` are None unless changes were landed too. ``since`` is the day of the
    previous snapshot. ``observed_at`` is in the time zone of the destination.
    """

    day: date
    status: str
    rows: int
    net: int | None
    added: int | None
    removed: int | None
    since: date | None
    rejected: int
    observed_at: datetime
    duration_seconds: float | None
    run_path: str
    dag_path: str

    @property
    def days(self) -> int:
        """The number of days that the difference covers: more than one after a gap."""
        return (self.day - self.since).days if self.since else 1


class Push(NamedTuple):
    """One batch of opt-outs that was pushed, and its confirmation if there is one.

    ``listed`` people were on the list already. ``confirmed_by`` is the day of the snapshot that has
    the ``confirmed`` people, and lacks the ``missing`` ones.
    """

    day: date
    given: int
    listed: int
    added: int
    invalid: int
    confirmed: int | None
    missing: int | None
    confirmed_by: date | None
    run_path: str


class Overview(NamedTuple):
    """The state, the landings and the pushes of one destination.

    :param destination: the destination as the user wrote it
    :param verdict: the reason for the state
    :param landings: the newest first
    :param odd: a line of text for each receipt that cannot be shown
    :param pushes: the newest first
    """

    destination: str
    uri: str
    state: str
    verdict: str
    today: date
    landings: Sequence[Landing] = ()
    odd: Sequence[str] = ()
    pushes: Sequence[Push] = ()

    @property
    def gaps(self) -> Mapping[date, int]:
        """The number of days without a landing that follow a landed day; today is not one yet."""
        newer = [self.today, *(landing.day for landing in self.landings)]
        missing = zip(newer, self.landings, strict=False)
        found = {older.day: (day - older.day).days - 1 for day, older in missing}
        return {day: count for day, count in found.items() if count > 0}


def overview_of(
    destination: str,
    uri: str,
    landings: Sequence[Landing],
    zone: ZoneInfo,
    now: datetime,
    odd: Sequence[str] = (),
    pushes: Sequence[Push] = (),
) -> Overview:
    """Judge the landings of a destination; one that only has pushes is not late.

    :param landings: the newest first
    :param zone: the zone of the destination's days
    :param pushes: the newest first
    """
    today = day_of(now, zone)
    future = [each.day for each in landings if is_future(each.day, today)]
    landings = landings[len(future) :]
    odd = [
        *odd,
        *(f"{receipt_file(day)}: it is of a day in the future: delete it" for day in future),
    ]
    if not landings:
        state, verdict = LATE, "Nothing landed yet"
        if pushes:
            state, verdict = PUSHED, f"Last push on {pushes[0].day}: {pushes[0].added:,} added"
        return Overview(destination, uri, state, verdict, today, (), odd, pushes)
    state, verdict = _verdict(landings[0].day, today, zone)
    if shrunk := next(filter(None, map(_loss, _recent(landings, today))), ""):
        state, verdict = min(state, SHRUNK, key=STATES.index), f"{verdict}. {shrunk}"
    return Overview(destination, uri, state, verdict, today, landings, odd, pushes)


def unread(destination: str, reason: str, now: datetime) -> Overview:
    """Return a destination that cannot be shown, and why."""
    return Overview(destination, "", UNREAD, reason, now.date())


def landing_of(
    receipt: SnapshotReceipt, changes: ChangesReceipt | None = None, run_path: str = ""
) -> Landing:
    """Summarise a receipt.

    :param changes: the receipt of the changes whose current snapshot it is
    :param run_path: the path of the task run that landed it
    :raises Exception: a member has a wrong type or value
    """
    before = receipt.previous_rows
    compared = changes if changes and changes.previous_snapshot_date else None
    since = (compared or receipt).previous_snapshot_date
    duration = receipt.duration_seconds
    return Landing(
        day=receipt.day,
        status=receipt.status,
        rows=receipt.rows,
        net=None if before is None else receipt.rows - int(before),
        added=int(compared.added) if compared else None,
        removed=int(compared.removed) if compared else None,
        since=_day(since),
        rejected=int(receipt.rejected),
        observed_at=parse_utc(receipt.observed_at).astimezone(ZoneInfo(receipt.timezone)),
        duration_seconds=None if duration is None else float(duration),
        run_path=run_path,
        dag_path=run_path.partition("/runs/")[0],
    )


def push_of(
    receipt: Mapping[str, Any], confirmation: Mapping[str, Any] | None = None, run_path: str = ""
) -> Push:
    """Summarise the receipt of a push.

    :param confirmation: what the confirmation of the batch holds
    :param run_path: the path of the task run that pushed
    :raises Exception: a member is missing, or has a wrong type or value
    """
    if confirmation is None:
        confirmation = dict.fromkeys(("confirmed", "missing", "snapshot_date"))
    return Push(
        day=date.fromisoformat(receipt["push_date"]),
        given=int(receipt["given"]),
        listed=int(receipt["already_listed"]) + int(receipt["already"]),
        added=int(receipt["added"]),
        invalid=int(receipt["invalid"]),
        confirmed=_count(confirmation["confirmed"]),
        missing=_count(confirmation["missing"]),
        confirmed_by=_day(confirmation["snapshot_date"]),
        run_path=run_path,
    )


def check(receipt: Receipt) -> None:
    """Check the members of a receipt that the page shows.

    :raises Exception: a member has a wrong type or value
    """
    if not isinstance(receipt.uri, str):
        raise TypeError("uri")
    if isinstance(receipt, SnapshotReceipt):
        landing_of(receipt)
    elif isinstance(receipt, ChangesReceipt):
        _ = int(receipt.added), int(receipt.removed), _day(receipt.previous_snapshot_date)
        if not isinstance(receipt.source_uri, str):
            raise TypeError("source_uri")


def _recent(landings: Sequence[Landing], today: date) -> Sequence[Landing]:
    since = today - timedelta(days=SHRUNK_DAYS)
    return [landing for landing in landings if landing.day > since] or landings[:1]


def _loss(landing: Landing) -> str:
    """Return a sentence about a landing that lost much of the list; otherwise an empty text."""
    if not landing.net:
        return ""
    before = landing.rows - landing.net
    if -landing.net <= SHRUNK_SHARE * before:
        return ""
    share = -100 * landing.net / before
    return f"On {landing.day} the list lost {share:.0f} %, from {before:,} to {landing.rows:,}"


def _count(number: Any) -> int | None:
    return None if number is None else int(number)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _verdict(last: date, today: date, zone: ZoneInfo) -> tuple[str, str]:
    written = f"{today:%A} {today.day} {today:%B}"
    days = (today - last).days
    if days <= 0:
        return LANDED, f"Landed today, {written}"
    ago = "yesterday" if days == 1 else f"{days} days ago"
    state = DUE if days == 1 else LATE
    return state, f"Not landed today, {written} in {zone.key}; the last landing was {ago}"
