"""What is landed of an address: itself, a token in its place, or nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from copy import deepcopy

import pyarrow as pa
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.records import read_record
from mailpartner_provider.privacy.hashing import EMAIL_MODES, EmailMode
from mailpartner_provider.schemas import RECORD, record_schema, snapshot_schema
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, connect, listing
from tests.support.days import PARIS, today
from tests.support.landing import land
from tests.support.plain import TEXTS

KEY = "clé secrète"
MODES = [EmailMode("sha256"), EmailMode("hmac", KEY.encode()), EmailMode("drop")]
HASHED = MODES[:2]

#: Addresses with what stripping and lower-casing are about.
ADDRESSES = st.text(
    st.sampled_from("aZ@.éÉßẞİıΣςÅ\u212b\x00\x1c\x1f \t\n\u00a0\u2003\ufeff")
    | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)
#: JSON with texts that look like its structure.
_NO_ADDRESSES = TEXTS.filter(lambda text: not set("@\ufe6b\uff20") & set(text))
WITHOUT_ADDRESSES = st.recursive(
    st.none() | st.integers() | _NO_ADDRESSES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NO_ADDRESSES, inner, max_size=3),
    max_leaves=6,
)


def sha256(address: str) -> str:
    return hashlib.sha256(address.strip().lower().encode("utf-8")).hexdigest()


def keyed(address: str) -> str:
    text = address.strip().lower().encode("utf-8")
    return hmac.new(KEY.encode("utf-8"), text, hashlib.sha256).hexdigest()


@pytest.fixture
def with_key(api, monkeypatch):
    """A connection with a key for hashed addresses."""
    connect(monkeypatch, api, extra={"email_hmac_key": KEY})


class TestTokens:
    def test_known(self):
        """The tokens are those that anyone else makes of the same address."""
        anne = ["anne@example.com", " Anne@Example.COM\n"]

        assert ["e4be104d1e1603b7d0371b344b0c906782053c7a4f04c33526c5d57b435b70bd"] * 2 == (
            MODES[0].hashes(anne)
        )

    @given(st.lists(ADDRESSES))
    def test_tokens(self, addresses):
        """A token is the SHA-256, or HMAC-SHA256, of the stripped, lower-cased address."""
        sha256_mode, hmac_mode = HASHED

        assert list(map(sha256, addresses)) == sha256_mode.hashes(addresses)
        assert list(map(keyed, addresses)) == hmac_mode.hashes(addresses)

    def test_key_is_not_shown(self):
        """The key is not in the mode's representation, which may get into a log."""
        assert "EmailMode(name='hmac')" == repr(EmailMode("hmac", b"secret"))


class TestJson:
    @given(WITHOUT_ADDRESSES, st.sampled_from(MODES))
    def test_others_stay(self, value, mode):
        """JSON without addresses stays as it is."""
        assert value == mode.apply_to_json(deepcopy(value))

    @given(TEXTS, TEXTS, TEXTS, st.sampled_from(MODES))
    def test_no_address(self, before, after, name, mode):
        """Wherever an address stands in JSON, in whatever text, it is not in it afterwards."""
        around = f"{before} zoe@example.com {after}"
        value = {name: [{around: around, "email": around}, [around]], "email": around, "n": 1}

        found = mode.apply_to_json(value)

        assert "zoe" not in json.dumps(found)
        assert 1 == found["n"]

    @pytest.mark.parametrize("mode", HASHED)
    def test_any_text(self, mode):
        """An ``email`` that looks like no address is one all the same, at any depth."""
        (token,) = mode.hashes(['Zoé \ufffd"'])

        found = mode.apply_to_json([{"a": {"email": 'Zoé \ud800"'}}])

        assert [{"a": {mode.column: token}}] == found

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("email", [None, 33612345678, 1.5, True, ["zoe"], {"name": "zoe"}])
    def test_no_text(self, mode, email):
        """Of anything else no token can be made, so it is left out."""
        assert {"id": 1, "a": 1} == mode.apply_to_json({"id": 1, "email": email, "a": 1})

    def test_dropped(self):
        """Where addresses are dropped, a text is left out too."""
        assert {"a": 1} == EmailMode("drop").apply_to_json({"email": "zoe", "a": 1})

    @pytest.mark.parametrize("value", [{"email": "zoe"}, "zoe@example.com", 1])
    def test_plain(self, value):
        """The plain mode changes nothing."""
        assert value == EmailMode().apply_to_json(value)

    def test_deep(self):
        """Nesting of any depth is no obstacle."""
        value = person = {"email": "zoe@example.com"}
        for _ in range(100_000):
            value = [value]

        EmailMode("drop").apply_to_json(value)

        assert {} == person


class TestBatch:
    @given(st.lists(ADDRESSES.filter(str.strip)), st.sampled_from(MODES))
    def test_rows(self, addresses, mode):
        """A row keeps all but its address, in the columns of the mode."""
        read = [
            read_record({"id": n, "email": each, "createdAt": "2020-01-01 00:00:00", "b": n}, PARIS)
            for n, each in enumerate(addresses)
        ]
        batch = pa.RecordBatch.from_pylist([row._asdict() for row in read], RECORD)

        found = mode.apply(batch)

        assert record_schema(mode.column) == found.schema
        others = ["id", "created_at", "extra_fields"]
        assert batch.select(others).to_pylist() == found.select(others).to_pylist()
        if mode.column:
            assert mode.hashes(addresses) == found.column(mode.column).to_pylist()


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
