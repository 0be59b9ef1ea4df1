"""Every opt-out lands, and every record is counted: rules 1, 2 and 8."""

from __future__ import annotations

import pytest

from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, at_once, listing
from tests.support.days import today, yesterday
from tests.support.landing import land


class TestRule1NeverLost:
    def test_odd_record(self, api, lake):
        """A record with a usable id and e-mail always lands, whatever else is wrong with it."""
        api.unsubscribes = [
            {"id": "20", "email": " x ", "createdAt": "0000-00-00 00:00:00", "why": ["spam", 1.5]}
        ]

        land(lake)

        assert [
            {
                "id": 20,
                "email": " x ",
                "created_at": None,
                "snapshot_date": today(),
                "extra_fields": '{"why":["spam",1.5],"createdAt":"0000-00-00 00:00:00"}',
            }
        ] == lake.rows()

    def test_quarantine(self, api, lake):
        """A record without a usable id or e-mail is quarantined and counted."""
        api.unsubscribes = [*THREE, {"id": 21}, {"id": None, "email": "dora@example.com"}]

        receipt = land(lake, max_rejected=2)

        assert (3, 2) == (receipt["rows"], receipt["rejected"])
        assert [
            {"reason": "email is missing", "record": {"id": 21}},
            {"reason": "id is missing", "record": {"id": None, "email": "dora@example.com"}},
        ] == lake.quarantine()

    def test_too_many(self, api, lake):
        """More than max_rejected of them fails the task with counts and reasons, and publishes
        nothing."""
        api.unsubscribes = [*THREE, {"id": 21}, {"id": 22}, {"email": "dora@example.com"}]

        with pytest.raises(BadData, match=r"3 of 6 .* \(email is missing: 2, id is missing: 1\)"):
            land(lake, max_rejected=2)

        assert not lake.exists()

    def test_quarantine_is_of_its_landing(self, api, lake):
        """A later landing of the same day that rejects nothing removes the quarantine."""
        api.unsubscribes = [*THREE, {"id": 21}]
        land(lake, max_rejected=1)
        api.unsubscribes = THREE

        land(lake)

        assert "_rejected/dt=" not in " ".join(lake.files())


class TestRule2Reconciled:
    def test_sum(self, api, lake):
        """declared = received = rows + rejected + after_cutoff."""
        late = {"id": 22, "email": "e@example.com", "createdAt": f"{today()} 12:00:00"}
        api.unsubscribes = [*THREE, {"id": 21}, late]

        receipt = land(lake, yesterday(), max_rejected=1)

        counts = {name: receipt[name] for name in ("declared", "received", "rows", "rejected")}
        assert {"declared": 5, "received": 5, "rows": 3, "rejected": 1} == counts
        assert 1 == receipt["after_cutoff"]

    def test_truncated_then_whole(self, api, lake):
        """Fewer received than declared is a truncated answer: it is fetched again."""
        api.script(at_once(listing(THREE[:2], nbData=3)))

        assert 3 == land(lake)["rows"]
        assert 2 == len(api.asked)

    def test_truncated_for_good(self, api, lake):
        """Fewer received than declared fails the task, after four tries."""
        api.script(*[at_once(listing(THREE[:2], nbData=3))] * 4)

        with pytest.raises(RequestFailed, match="declares 3 records and holds 2"):
            land(lake)

        assert 4 == len(api.asked)
        assert not lake.exists()

    def test_more(self, api, lake, log):
        """More received than declared is a warning."""
        api.script(Answer(listing(THREE, nbData=2)))

        assert (2, 3) == (land(lake)["declared"], lake.receipt()["rows"])
        assert "declares 2 records and holds 3" in log()

    def test_undeclared(self, api, lake, log):
        """nbData absent is a warning."""
        api.script(Answer({"success": True, "data": THREE}))

        assert land(lake)["declared"] is None
        assert "declares no count (nbData)" in log()


class TestRule8Duplicates:
    def test_kept_and_counted(self, api, lake):
        """Duplicates of an id are kept and counted, never merged by guess."""
        api.unsubscribes = [{"id": key, "email": "a@example.com"} for key in (7, 3, 7, 7, 1, 3)]

        receipt = land(lake)

        assert [7, 3, 7, 7, 1, 3] == [row["id"] for row in lake.rows()]
        assert 3 == receipt["duplicate_ids"]
