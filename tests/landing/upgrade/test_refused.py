"""What may not be landed into a destination of an earlier version, or of a later one."""

from __future__ import annotations

import shutil

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import MailPartnerError
from tests.support.api import connect
from tests.support.lake import files
from tests.support.landing import land
from tests.support.upgrade import (
    ARGUMENTS,
    FUTURE,
    LANDED,
    LAST,
    NEWEST,
    NEXT,
    OLDEST,
    at,
    having,
    land_as,
    land_changes,
    list_of,
    next_list,
    rewrite,
    with_folder,
)


class TestOneKind:
    """A destination of an earlier version is of one kind, as today's are."""

    @having("snapshots", "hashed", "erased", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize(
        "other", [{"partition_by": "created"}, {"email_mode": "drop"}], ids=["layout", "mode"]
    )
    def test_other(self, api, version, folder, place, other):
        """Another layout or email_mode is refused, with the day of the newest receipt."""
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(NEXT), **{**ARGUMENTS[folder], **other})

        assert before == files(place)

    @having("created", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize(
        "other", [{"partition_by": "snapshot"}, {"email_mode": "drop"}], ids=["layout", "mode"]
    )
    def test_other_than_created(self, api, version, folder, place, other):
        """The same holds for a list by day of opt-out."""
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(NEXT), **{**ARGUMENTS[folder], **other})

        assert before == files(place)

    @having(*LANDED, versions=[OLDEST, NEWEST])
    def test_other_account(self, api, version, folder, place, monkeypatch):
        """Another connection is refused, with that day."""
        connect(monkeypatch, api, conn_id="other_account")
        api.unsubscribes = list_of(version, folder)
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land_as(folder, place, mailpartner_conn_id="other_account")

        assert before == files(place)

    @having("changes", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    def test_snapshots_into_changes(self, api, version, folder, place, day):
        """Snapshots are refused where changes are."""
        api.unsubscribes = list_of(version, "snapshots")
        before = files(place)

        with at(day, hour=18), pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(day))

        assert before == files(place)

    @with_folder("changes", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    def test_changes_into_snapshots(self, api, version, root, day):
        """Changes are refused where snapshots are."""
        shutil.copytree(root / "snapshots", root / "other")
        api.unsubscribes = list_of(version, "snapshots")
        land_as("snapshots", root / "snapshots")
        before = files(root / "other")

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land_changes(root / "snapshots", root / "other", day=day)

        assert before == files(root / "other")


class TestFuture:
    """A receipt that a later version wrote, in a way that this version cannot read, is a receipt:
    the task fails, names the version, and changes nothing."""

    refused = pytest.raises((AirflowFailException, MailPartnerError), match=r"9\.8\.7")

    @having(*LANDED, versions=[NEWEST])
    def test_next_day(self, api, version, folder, place):
        """The next day is not landed without the comparison."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with self.refused:
            land_as(folder, place)

        assert before == files(place)

    @having(*LANDED, versions=[NEWEST])
    def test_same_day(self, api, version, folder, place):
        """A landing on the day itself does not replace it."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with at(LAST, hour=18), self.refused:
            land_as(folder, place, snapshot_date=str(LAST))

        assert before == files(place)

    @having(*LANDED, versions=[NEWEST])
    def test_backfill(self, api, version, folder, place):
        """A backfill does not replace it either."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with self.refused:
            land_as(folder, place, snapshot_date=str(LAST))

        assert before == files(place)

    @with_folder("changes", versions=[NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    @pytest.mark.parametrize("rewritten", ["snapshots", "changes"])
    def test_changes(self, api, version, root, day, rewritten):
        """Changes are not computed from such a snapshot, nor across it; they are not landed over
        such changes, nor after them."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")
        rewrite(root / rewritten, LAST, **FUTURE)
        before = files(root)

        with self.refused:
            land_changes(root / "snapshots", root / "changes", day=day)

        assert before == files(root)
