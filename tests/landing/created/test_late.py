"""Which list stands: of a later day, of another layout, of others."""

from __future__ import annotations

import json
from datetime import datetime, time

import pytest

from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import Conflict
from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.layouts import CREATED, INDEX
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.api import THREE, listing
from tests.support.created import (
    FIVE,
    land_created,
    partitions,
)
from tests.support.days import PARIS, days_ago, today, yesterday
from tests.support.lake import receipt_name
from tests.support.landing import land


def land_on(store, day, records, before=lambda: None):
    """Land a list on its own day, without Airflow; ``before`` is called once it is staged."""
    body = json.dumps(listing(records)).encode()
    noon = datetime.combine(day, time(12), PARIS)
    request = SnapshotRequest(
        day, PARIS, open_destination(str(store)), Limits(max_shrink=None), partition_by=CREATED
    )
    return land_snapshot(
        request,
        day,
        lambda: UnsubscribeStream([body], PARIS, observed_at=noon),
        lambda _: before(),
    )


class TestLate:
    def test_newer_list_stays(self, api, lake):
        """A landing for an earlier day than the newest keeps the newer list, and asks nothing."""
        land_created(lake)
        before, asked = lake.files(), len(api.asked)
        api.unsubscribes = THREE[:1]

        receipt = land_created(lake, yesterday())

        assert before == lake.files()
        assert (str(today()), False) == (receipt["snapshot_date"], receipt["changed"])
        assert asked == len(api.asked)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda lake: (lake / INDEX).write_text("{}"),
            lambda lake: (lake / "dt=2015-07-20/part-00000.parquet").write_bytes(b"older"),
            lambda lake: (
                (lake / "dt=2020-01-01").mkdir()
                or (lake / "dt=2020-01-01/part-00000.parquet").write_bytes(b"older")
            ),
        ],
        ids=["index", "replaced", "more"],
    )
    def test_newer_list_is_mended(self, api, lake, log, damage):
        """If the newer list is not what its receipt declares, it is landed again instead."""
        api.unsubscribes = FIVE
        land_created(lake)
        before = lake.files()
        damage(lake)

        receipt = land_created(lake, yesterday())

        after = lake.files()
        assert (str(today()), "live", True) == tuple(
            receipt[each] for each in ("snapshot_date", "status", "changed")
        )
        assert before.keys() == after.keys()
        assert {receipt_name()} == {name for name in before if before[name] != after[name]}
        assert "does not match its receipt: landing it again" in log()

    def test_nothing_newer(self, api, lake):
        """A late landing holds what was created before the end of its day, undated people too; the
        next landing brings the others."""
        api.unsubscribes = [*THREE, {**FIVE[4], "createdAt": f"{today()} 00:00:00"}]

        late = land_created(lake, yesterday())
        assert str(today()) not in partitions(lake)
        assert ("backdated", 1) == (late["status"], late["after_cutoff"])

        assert 1 == land_created(lake)["partitions_written"]
        assert [22] == partitions(lake)[str(today())]

    def test_live_stays(self, api, lake):
        """A late landing of a day keeps the live list of that day."""
        land_created(lake, yesterday())
        lake.make_live(yesterday())
        before = lake.files()
        api.unsubscribes = THREE[:2]

        assert 3 == land_created(lake, yesterday())["rows"]
        assert before == lake.files()

    def test_live_but_damaged(self, api, lake, log):
        """It keeps nothing when a landing was killed since, whose partitions stand there."""
        land_created(lake, yesterday())
        lake.make_live(yesterday())
        (lake / INDEX).write_text("{}")

        assert 3 == land_created(lake, yesterday())["partitions_written"]
        assert "landing it again" in log()

    @pytest.mark.parametrize("people", [THREE, FIVE], ids=["same", "more"])
    def test_midnight(self, api, store, people):
        """A landing that begins before midnight, and ends after one of the next day, publishes
        nothing, whether or not that one found the list as it was; its next try keeps the newer
        list."""
        api.unsubscribes = people
        land_on(store, days_ago(2), THREE)

        with pytest.raises(Conflict):
            land_on(store, yesterday(), THREE[:2], before=lambda: land_created(store))

        kept = land_created(store, yesterday())
        assert (str(today()), len(people)) == (kept["snapshot_date"], kept["rows"])
        assert not land_created(store)["changed"]
        assert {receipt_name(day) for day in (days_ago(2), today())} == {
            name for name in store.files() if name.startswith("_receipts/")
        }

    def test_history(self, api, lake):
        """The receipt names the list of an earlier day."""
        land_created(lake, days_ago(9))

        assert str(days_ago(9)) == land_created(lake)["previous_snapshot_date"]


class TestMixedLayouts:
    @pytest.mark.parametrize("days", [5, 1, 0])
    @pytest.mark.parametrize("layout", ["snapshot", "created"])
    def test_refused(self, api, lake, layout, days):
        """A destination is of one layout, for any day; the other is refused before anything is
        asked."""
        land(lake, yesterday(), partition_by=layout)
        before, asked = lake.files(), len(api.asked)
        (other,) = {"snapshot", "created"} - {layout}

        with pytest.raises(AirflowFailException, match=f"partition_by of .* is '{layout}'"):
            land(lake, days_ago(days), partition_by=other)

        assert before == lake.files()
        assert asked == len(api.asked)

    def test_partitions_of_nobody(self, api, lake):
        """Partitions that no receipt and no index accounts for are not touched."""
        land(lake)
        lake.receipt_path().unlink()
        before = lake.files()

        with pytest.raises(
            AirflowFailException, match="destination: .*dt=.* choose another folder"
        ):
            land_created(lake)

        assert before == lake.files()

    def test_foreign_files(self, api, lake):
        """Files of others are left alone, and are no partitions."""
        for name in ("README", "dt=2020-01-01/part-00007.parquet", "dt=x/part-00000.parquet"):
            (lake / name).parent.mkdir(parents=True, exist_ok=True)
            (lake / name).write_text("mine")
        before = lake.files()

        land_created(lake)

        assert before.items() <= lake.files().items()
