"""The normal form of an address, and the ways to write one."""

from __future__ import annotations

import hashlib

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.privacy.normal_form import (
    canonical_form,
    is_address,
    normal_form,
    spellings,
    visible,
)
from tests.support.look_up import LETTERS, NORMAL_FORM

TEXTS = st.text(
    st.sampled_from("aZ@.éÉßẞİıΣςσÅ\u212b\u0301\u200b\x00\x1c\t\n\u00a0\u2003\ufeff")
    | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)
COMPOSED, DECOMPOSED = "\u00e9mile@example.com", "e\u0301mile@example.com"


class TestNormalForm:
    @pytest.mark.parametrize(
        ("address", "form"),
        [
            ("Anne@Example.COM", "anne@example.com"),
            (" \t anne@example.com\r\n\u00a0", "anne@example.com"),
            ("ΝΊΚΟΣ@example.com", "νίκοσ@example.com"),
            ("νίκος@example.com", "νίκοσ@example.com"),
            ("İ@example.com", "i@example.com"),
            ("Straße@example.com", "straße@example.com"),
            ("an ne@example.com", "an ne@example.com"),
        ],
    )
    def test_examples(self, address, form):
        """White space goes from both ends, letters become small ones, and nothing else changes."""
        assert form == normal_form(address)

    @given(TEXTS)
    def test_again(self, text):
        """A normal form is its own."""
        assert normal_form(text) == normal_form(normal_form(text))

    @given(st.text(st.characters(codec="ascii", exclude_characters="\x1c\x1d\x1e\x1f")))
    def test_ascii(self, text):
        """Of ASCII it is what ``email_mode`` hashes."""
        assert text.strip().lower() == normal_form(text)

    def test_duckdb(self):
        """DuckDB computes it, by the documented expression, of every letter there is."""
        query = f"SELECT {NORMAL_FORM}, sha256({NORMAL_FORM}) FROM letters"

        found = duckdb.from_arrow(pa.table({"address": LETTERS})).query("letters", query).fetchall()

        forms = [normal_form(text) for text in LETTERS]
        assert forms == [form for form, _ in found]
        assert [hashlib.sha256(form.encode()).hexdigest() for form in forms] == [
            hashed for _, hashed in found
        ]


class TestSpellings:
    @pytest.mark.parametrize(
        "ways",
        [
            [
                "Anne@Example.com",
                " anne@example.com",
                "an\u200bne@example.com",
                "anne@example.com.",
            ],
            [COMPOSED, DECOMPOSED, COMPOSED.upper(), DECOMPOSED.upper()],
            ["ΝΊΚΟΣ@example.com", "νίκος@example.com", "νίκοσ@example.com"],
            [
                *("x@bücher.example", "x@BÜCHER.example", "x@xn--bcher-kva.example"),
                *("X@XN--BCHER-KVA.EXAMPLE", "x@bücher。example", "x@bu\u0308cher.example"),
            ],
        ],
        ids=["spaces", "accents", "sigma", "domain"],
    )
    def test_one_person(self, ways):
        """Every way to write an address has one canonical form, which is among its spellings."""
        (form,) = {canonical_form(each) for each in ways}

        for each in ways:
            assert form in spellings(each)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("strasse@example.com", "straße@example.com"),
            ("ı@example.com", "i@example.com"),
            ("emile@example.com", COMPOSED),
            ("x@bücher.example", "x@bucher.example"),
            ("x.y@example.com", "xy@example.com"),
            ("x+y@example.com", "x@example.com"),
            ("K@example.com", "\u0138@example.com"),
        ],
    )
    def test_two_people(self, one, other):
        """Addresses that only look alike share no spelling."""
        assert not set(spellings(one)) & {*spellings(other), canonical_form(other)}

    @pytest.mark.parametrize("address", ["anne@example.com", "Anne.O+x@Example.COM"])
    def test_plain(self, address):
        """An ordinary address has one spelling, so that the list of erased people stays short."""
        assert [address.lower()] == spellings(address)

    @given(TEXTS)
    def test_always(self, text):
        """The normal form, what ``email_mode`` hashes, and the canonical form are among them."""
        found = spellings(text)

        assert normal_form(visible(text)) == found[0]
        assert {text.strip().lower(), canonical_form(text)} <= set(found)

    @pytest.mark.parametrize("label", ["xn--" + "a" * 100_000, "ü" * 100_000, "xn--", "xn--a"])
    def test_no_domain(self, label):
        """A domain that cannot be decoded is left as it is, in no time."""
        assert f"x@{label}.example" == canonical_form(f"x@{label}.example")


class TestAddress:
    @pytest.mark.parametrize(
        "text",
        [
            "anne@example.com",
            "Anne@EXAMPLE.com.",
            "o'brien+news@example.co.uk",
            "björn@exämple.com",
            "x@xn--bcher-kva.example",
            '"anne m"@example.com',
            "root@localhost",
            "an\u200bne@example.com",
        ],
    )
    def test_one(self, text):
        """One address is one."""
        assert is_address(text) is (not text.endswith("."))

    @pytest.mark.parametrize(
        "text",
        [
            "anne",
            "anne@",
            "@example.com",
            "anne@example.com, zoe@example.com",
            "anne@example.com;zoe@example.com",
            "anne@example.com zoe@example.com",
            "Anne <anne@example.com>",
            "mailto:anne@example.com",
            "anne@@example.com",
            "email",
            "",
        ],
    )
    def test_none(self, text):
        """Anything else would find nobody, or not all."""
        assert not is_address(text)
