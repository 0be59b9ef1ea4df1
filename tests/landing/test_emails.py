"""What is landed of an address: itself, a hash in its place, or nothing."""

from __future__ import annotations

import json

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.privacy.email_modes import EMAIL_MODES
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import snapshot_schema
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, connect, listing
from tests.support.days import today
from tests.support.hashing import KEY, keyed, sha256
from tests.support.landing import land


@pytest.fixture
def with_key(api, monkeypatch):
    """A connection with a key for hashed addresses."""
    connect(monkeypatch, api, extra={"email_hmac_key": KEY})


class TestLanding:
    @pytest.mark.parametrize("mode", EMAIL_MODES)
    def test_columns(self, api, lake, with_key, mode):
        """The columns stand in their order: a token in the place of the address, or none."""
        receipt = land(lake, email_mode=mode)

        tokens = {"plain": str, "sha256": sha256, "hmac": keyed}
        names = {"plain": "email", "sha256": "email_sha256", "hmac": "email_hmac"}
        expected = [
            {"id": raw["id"]}
            | ({names[mode]: tokens[mode](raw["email"])} if mode in names else {})
            | {"snapshot_date": today(), "extra_fields": None}
            for raw in THREE
        ]
        found = lake.rows()
        created_at = [row.pop("created_at") for row in found]
        assert expected == found
        assert [False, True, False] == [at is None for at in created_at]
        assert mode == receipt["email_mode"]
        assert (
            "created_at" == snapshot_schema(EmailMode(mode).column).names[2 if mode in names else 1]
        )

    @pytest.mark.parametrize("mode", ["sha256", "hmac", "drop"])
    def test_no_address(self, api, lake, with_key, log, mode):
        """No address is in any file, whatever shape its record has; nor is the key, or in a log."""
        records = [
            *THREE,
            {"id": 3, "email": "zoe@example.com \ud800", "list": 4, "createdAt": "soon"},
            {"id": 4, "email": "zoe", "by": {"zoe%40example.com": ["to zoe@example.com!"]}},
            {"id": 5, "email": ["zoe@example.com"]},
            {"id": 6, "email": {"zoe": 1}},
            {"id": 7, "email": 33612345678},
            {"email": "zoe@example.com", "Email": "zoe@example.com"},
            ["zoe@example.com"],
            "zoe@example.com",
        ]
        api.script(Answer(json.dumps(listing(records)).encode()))

        receipt = land(lake, email_mode=mode, max_rejected=6)

        texts = [json.dumps(lake.rows(), default=str), json.dumps(receipt), log()]
        texts += [text.decode("latin-1") for text in lake.files().values()]
        for text in texts:
            for secret in ("zoe", "anne@", "33612345678", KEY):
                assert secret not in text.lower()
        assert (5, 6) == (receipt["rows"], receipt["rejected"])
        assert "soon" == json.loads(lake.rows()[3]["extra_fields"])["createdAt"]

    def test_quarantine(self, api, lake):
        """A token stands for the address in quarantine too, under its name."""
        api.unsubscribes = [*THREE, {"id": "x", "email": "Zoe@example.com "}]

        land(lake, email_mode="sha256", max_rejected=1)

        (line,) = lake.quarantine()
        assert {"id": "x", "email_sha256": sha256("zoe@example.com")} == line["record"]

    def test_same_bytes(self, api, lake, with_key):
        """The same list in the same mode gives the same bytes; another mode is refused, because a
        reader who looks for addresses would find nobody."""
        assert [True, False] == [land(lake, email_mode="hmac")["changed"] for _ in range(2)]
        before = lake.files()

        for mode in ("plain", "sha256", "drop"):
            with pytest.raises(
                AirflowFailException, match=f"email_mode of .* is 'hmac', not '{mode}'"
            ):
                land(lake, email_mode=mode)
        assert before == lake.files()

    @pytest.mark.parametrize(
        ("key", "why"),
        [(None, "needs a key"), ("", "needs a key"), (7, "is not a text")],
    )
    def test_no_key(self, api, lake, monkeypatch, key, why):
        """Without a key nothing is asked, and the error names the extra."""
        connect(monkeypatch, api, extra={"email_hmac_key": key})

        with pytest.raises(AirflowFailException, match=f"{why}|extra email_hmac_key {why}"):
            land(lake, email_mode="hmac")

        assert [] == api.asked
        assert not lake.exists()

    def test_key_is_not_needed(self, api, lake):
        """The other modes need no key."""
        assert 3 == land(lake, email_mode="sha256")["rows"]
