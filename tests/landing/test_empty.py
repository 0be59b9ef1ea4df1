"""An empty list, and one that has become shorter: rule 7."""

from __future__ import annotations

import pytest

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.errors import BadData
from tests.support.api import THREE
from tests.support.days import days_ago, yesterday
from tests.support.landing import land


class TestRule7EmptyIsNews:
    def test_write(self, api, lake):
        """on_empty="write": a file with the schema and no rows."""
        api.unsubscribes = []

        assert 0 == land(lake)["rows"]
        table = lake.table()
        assert ["id", "email", "created_at", "snapshot_date", "extra_fields"] == table.column_names
        assert 0 == table.num_rows

    def test_skip(self, api, lake):
        """on_empty="skip": the task is skipped."""
        api.unsubscribes = []

        with pytest.raises(AirflowSkipException):
            land(lake, on_empty="skip")

        assert not lake.exists()

    def test_fail(self, api, lake):
        """on_empty="fail": it fails."""
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list is empty"):
            land(lake, on_empty="fail")

        assert not lake.exists()

    @pytest.mark.parametrize("on_empty", ["write", "skip", "fail"])
    def test_guard(self, api, lake, on_empty):
        """max_shrink guards a list that was not empty before."""
        land(lake, yesterday())
        before = lake.files()
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list shrank from 3 to 0 since"):
            land(lake, on_empty=on_empty)

        assert before == lake.files()

    @pytest.mark.parametrize(
        ("before", "after", "max_shrink", "passes"),
        [
            (100, 50, 0.5, True),
            (100, 49, 0.5, False),
            (100, 43, 0.57, True),
            (30, 27, 0.1, True),
            (100, 0, None, True),
            (100, 99, 0, False),
            (100, 0, 1, True),
            (0, 0, 0, True),
        ],
    )
    def test_share(self, api, lake, before, after, max_shrink, passes):
        """A loss of exactly the share passes, more fails; None turns the guard off."""
        people = [{"id": key, "email": "a@example.com"} for key in range(100)]
        api.unsubscribes = people[:before]
        land(lake, yesterday())
        api.unsubscribes = people[:after]

        if passes:
            assert after == land(lake, max_shrink=max_shrink)["rows"]
        else:
            with pytest.raises(BadData, match="max_shrink"):
                land(lake, max_shrink=max_shrink)

    def test_same_day(self, api, lake):
        """The guard compares with the newest receipt up to and including the same day."""
        land(lake)
        api.unsubscribes = THREE[:1]

        with pytest.raises(BadData, match="max_shrink"):
            land(lake)

    def test_unreadable_receipt(self, api, lake, log):
        """A receipt that cannot be read is a warning, and the guard takes the one before it."""
        land(lake, days_ago(31))
        lake.receipt_path(yesterday()).write_text('{"rows": 1')
        api.unsubscribes = []

        with pytest.raises(BadData, match="from 3 to"):
            land(lake)

        assert f"Ignoring unreadable receipt file://{lake}/_receipts/dt={yesterday()}.json" in log()
