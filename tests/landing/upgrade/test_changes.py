"""Destinations of earlier versions are compared."""

from __future__ import annotations

from tests.support.upgrade import (
    LAST,
    NEXT,
    ZOE,
    applied,
    assert_nowhere,
    assert_vouched,
    comparable,
    having,
    land_as,
    land_changes,
    list_of,
    next_list,
    records,
    with_folder,
)


class TestChanges:
    @with_folder("changes")
    def test_next_day(self, api, version, root):
        """The next day's changes are computed against the last snapshot, and all changes so far,
        applied to nothing, give the new one."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")

        receipt = land_changes(root / "snapshots", root / "changes")

        assert (str(LAST), 2, 1, 1) == (
            receipt["previous_snapshot_date"],
            receipt["added"],
            receipt["removed"],
            receipt["changed_records"],
        )
        assert comparable(records(root / "snapshots", NEXT)) == applied(root / "changes")
        assert_vouched(root / "changes")

    @with_folder("snapshots")
    def test_first(self, api, version, root, tmp_path):
        """A new feed leads from the snapshot that it names, or from nothing, to the new one."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")

        receipt = land_changes(root / "snapshots", tmp_path / "feed")

        before = receipt["previous_snapshot_date"]
        assert before in (str(LAST), None)
        rows = records(root / "snapshots", LAST) if before else []
        assert comparable(records(root / "snapshots", NEXT)) == applied(tmp_path / "feed", rows)

    @with_folder("changes")
    def test_again(self, version, root):
        """The last day's changes, landed again, are what they were."""
        before = records(root / "changes", LAST)

        receipt = land_changes(root / "snapshots", root / "changes", day=LAST)

        assert before == records(root / "changes", LAST)
        assert str(LAST.replace(day=21)) == receipt["previous_snapshot_date"]
        assert_vouched(root / "changes")

    @having("erased")
    def test_erased(self, api, version, folder, place, tmp_path):
        """Changes between snapshots of which somebody was erased name them no more."""
        api.unsubscribes = next_list(list_of(version, "erased"))
        land_as("erased", place)

        receipt = land_changes(place, tmp_path / "feed")

        assert 0 < receipt["rows"]
        assert_nowhere(ZOE, tmp_path / "feed")
