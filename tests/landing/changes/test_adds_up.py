"""Changes add up: applied in order to nothing, they give the last snapshot."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.errors import BadData
from tests.support.changes import ANNE, BJORN, CARLA, comparing
from tests.support.days import days_ago, today, yesterday
from tests.support.lake import Lake
from tests.support.landing import land
from tests.support.snapshots import put_snapshot

RECORDS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["a@x", "b@x", "c@x"]), st.none(), st.none()),
    max_size=5,
)
#: A day: the snapshot, whether it is live, and whether its changes are landed at once.
DAYS = st.lists(st.tuples(RECORDS, st.booleans(), st.booleans()), min_size=1, max_size=6)


def records_of(lake, day):
    return sorted(tuple(row[name] for name in ("id", "email")) for row in lake.rows(day))


def applied(feed):
    """Apply all partitions in order, as README says: remove their ids, insert what is new."""
    records = []
    for partition in sorted(feed.glob("dt=*/*.parquet")):
        rows = feed.rows(date.fromisoformat(partition.parent.name.removeprefix("dt=")))
        ids = {row["id"] for row in rows}
        records = [record for record in records if record[0] not in ids]
        records += [(row["id"], row["email"]) for row in rows if row["change"] != "removed"]
    return sorted(records)


@given(days=DAYS)
def test_always(tmp_path_factory, days):
    """Whatever days are missed, late or backdated."""
    folder = tmp_path_factory.mktemp("lake")
    lake, feed = Lake(folder / "unsubscribes"), Lake(folder / "changes")
    first, last = today() - timedelta(days=len(days)), None
    for number, (records, is_live, is_landed) in enumerate(days):
        day = first + timedelta(days=number)
        put_snapshot(lake, day, records, status="live" if is_live else "backdated")
        if is_live and is_landed:
            comparing(lake, feed, day, max_removed=None).execute({})
            last = day
    for number in range(len(days)):  # every day once more, as after clearing all tasks
        day = first + timedelta(days=number)
        try:
            comparing(lake, feed, day, max_removed=None).execute({})
            last = max(day, last or day)
        except AirflowSkipException:
            pass

    assert (records_of(lake, last) if last else []) == applied(feed)


def test_hole(lake, feed):
    """A day whose changes failed is included in the next day's."""
    for days, records in ((3, [ANNE]), (2, [ANNE, BJORN]), (1, [BJORN, CARLA])):
        put_snapshot(lake, days_ago(days), records)
    comparing(lake, feed, days_ago(3)).execute({})

    receipt = comparing(lake, feed, days_ago(1), max_removed=None).execute({})

    assert str(days_ago(3)) == receipt["previous_snapshot_date"]
    with pytest.raises(AirflowSkipException, match=f"of {days_ago(1)} already include those of"):
        comparing(lake, feed, days_ago(2)).execute({})
    assert records_of(lake, days_ago(1)) == applied(feed)


def test_snapshot_to_compare_with_is_gone(lake, feed):
    """Without the snapshot that the feed ends with, nothing is landed that would not add up."""
    put_snapshot(lake, days_ago(3), [ANNE])
    comparing(lake, feed, days_ago(3)).execute({})
    lake.receipt_path(days_ago(3)).unlink()
    put_snapshot(lake, today(), [BJORN])

    with pytest.raises(BadData, match=f"has no live snapshot of {days_ago(3)}"):
        comparing(lake, feed).execute({})


@pytest.mark.parametrize("keep_days", [1, 2])
def test_keep_days(api, lake, feed, keep_days):
    """Retention keeps the last live snapshot, with which the next one is compared after a gap."""
    land(lake, days_ago(4))
    lake.make_live(days_ago(4))
    comparing(lake, feed, days_ago(4)).execute({})
    api.unsubscribes = api.unsubscribes[1:]

    land(lake, keep_days=keep_days)

    assert lake.holds(days_ago(4)) and not lake.holds(yesterday())
    assert 1 == comparing(lake, feed).execute({})["removed"]
