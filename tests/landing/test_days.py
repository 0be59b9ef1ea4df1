"""The day of a snapshot, and what is known of it: rules 3 and 4."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mailpartner_provider.compat import AirflowFailException
from tests.support.api import THREE
from tests.support.days import midnight, today, tomorrow, yesterday
from tests.support.landing import land, operator


class TestRule3DayOfTheRun:
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def test_log_names_the_winner(self, api, lake, log):
        """The log names the source of the day that won."""
        operator(lake, snapshot_date=None).execute({"logical_date": self.noon})

        assert (
            "Landing the snapshot of 2026-03-01 (from the run's logical_date, in Europe/Paris)"
            in log()
        )

    def test_future(self, api, lake):
        """A day in the future fails."""
        with pytest.raises(AirflowFailException, match="snapshot_date: .* is in the future"):
            land(lake, tomorrow())

        assert [] == api.asked


class TestRule4HonestAboutThePast:
    def test_live(self, api, lake):
        """A snapshot observed on its own day has status live."""
        assert "live" == land(lake)["status"]

    def test_backdated(self, api, lake):
        """Observed later it has status backdated: only records created before the end of that day
        are kept, those without a date too, and the receipt says so."""
        end_of_day = midnight(today())
        times = {
            1: end_of_day - timedelta(seconds=1),
            2: end_of_day,
            3: end_of_day + timedelta(seconds=1),
        }
        api.unsubscribes = [
            {"id": key, "email": "a@example.com", "createdAt": at.strftime("%Y-%m-%d %H:%M:%S")}
            for key, at in times.items()
        ] + [{"id": 4, "email": "a@example.com"}]

        receipt = land(lake, yesterday())

        assert [1, 4] == [row["id"] for row in lake.rows(yesterday())]
        assert ("backdated", 2) == (receipt["status"], receipt["after_cutoff"])

    def test_live_stays(self, api, lake):
        """A backdated snapshot never replaces a live one: the task succeeds, says that it kept the
        live one, and returns its receipt."""
        land(lake, yesterday())
        lake.make_live(yesterday())
        before, asked = lake.files(), len(api.asked)
        api.unsubscribes = THREE[:2]

        receipt = land(lake, yesterday())

        assert before == lake.files()
        assert {**lake.receipt(yesterday()), "changed": False} == receipt
        assert asked == len(api.asked)

    def test_live_receipt_alone(self, api, lake):
        """A live receipt keeps nothing once its partition is gone: the day is landed again."""
        land(lake, yesterday())
        lake.make_live(yesterday())
        lake.partition(yesterday()).unlink()

        receipt = land(lake, yesterday())

        assert ("backdated", True) == (receipt["status"], receipt["changed"])
        assert 3 == len(lake.rows(yesterday()))

    def test_backdated_replaces_backdated(self, api, lake):
        """A backdated snapshot replaces a backdated one."""
        land(lake, yesterday())
        api.unsubscribes = THREE[:2]

        assert 2 == land(lake, yesterday())["rows"]

    def test_live_replaces_live(self, api, lake):
        """A second landing on the day itself replaces the first."""
        land(lake)
        api.unsubscribes = THREE[:2]

        assert (2, True) == (land(lake)["rows"], lake.receipt()["changed"])
