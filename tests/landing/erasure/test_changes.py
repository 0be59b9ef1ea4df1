"""Erasing, and the changes between snapshots."""

from __future__ import annotations

import pytest

from mailpartner_provider.changes.diff import Comparison
from mailpartner_provider.changes.landing import land_changes
from mailpartner_provider.changes.pair import ChangesRequest
from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.lake.local import LocalFolder
from tests.support.changes import compare
from tests.support.days import today, yesterday
from tests.support.erasing import (
    assert_gone,
    assert_receipts,
    erased,
)
from tests.support.lake import Lake


class TestChanges:
    def test_no_change(self, two_days, tmp_path):
        """To be erased is no change, whether it was before the second snapshot or after it."""
        two_days.make_live(yesterday())
        before = compare(two_days, Lake(tmp_path / "before"))

        erased(two_days)

        after = compare(two_days, Lake(tmp_path / "after"))
        for kind in ("added", "removed", "changed_records"):
            assert before[kind] - (kind == "changed_records") == after[kind]

    def test_feed(self, two_days, feed):
        """A feed is a destination like another, and its receipts follow."""
        compare(two_days, feed)

        assert 2 == erased(feed)[0].records

        assert_gone(feed)
        assert_receipts(feed, today())

    def test_feed_first(self, two_days, feed):
        """Once she is erased from a feed, no landing there brings her back from the source."""
        erased(feed)

        compare(two_days, feed)

        assert_gone(feed)
        assert_receipts(feed, today())

    def test_feed_meanwhile(self, two_days, feed):
        """Changes that were being compared while she was erased are not landed."""

        class Erasing(LocalFolder):
            def locked(self, raise_if_stopped):
                erased(two_days)
                erased(feed)
                return super().locked(raise_if_stopped)

        request = ChangesRequest(today(), LocalFolder(two_days.folder), Erasing(feed.folder))

        with pytest.raises(RequestFailed, match="has just been changed by another task"):
            land_changes(request, Comparison())

        assert ["_erased.jsonl"] == list(feed.files())
