"""A hash takes the place of an address: in a column, in JSON, in a batch."""

from __future__ import annotations

import json
from copy import deepcopy

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailpartner_provider.api.records import read_record
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import RECORD, record_schema
from tests.support.days import PARIS
from tests.support.hashing import KEY, keyed, sha256
from tests.support.strategies import TEXTS

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
        assume("zoe" not in f"{before} {after} {name}")
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
