"""Fingerprints of addresses, one by one and of whole columns."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.privacy.fingerprints import doubtful_rows, fingerprint

PLAIN = st.from_regex("[A-Za-z0-9][A-Za-z0-9.+_@-]{6,30}[A-Za-z0-9]", fullmatch=True)
TEXTS = PLAIN | st.text(st.sampled_from("aZ9.@+-_ é<;\x00"), max_size=14)


@given(PLAIN)
def test_case(text):
    """Capitals and small letters have one fingerprint."""
    assert fingerprint(text) == fingerprint(text.upper()) == fingerprint(text.lower())


@pytest.mark.parametrize(
    "text",
    [
        *("", "a@b.org", "Anne <anne@example.com>", "björn@example.com", "anne@example.com."),
        *(" anne@example.com", "mailto:anne@example.com", "o'brien@example.com", "a@b.org;c@d.org"),
    ],
)
def test_not_plain(text):
    """What may be written in several ways, or hold another address, has none."""
    assert fingerprint(text) is None


@given(st.lists(TEXTS, max_size=40), st.integers(0, 3), st.data())
def test_column(texts, skipped, data):
    """Of a column, also of a slice of one, those are in doubt that have a known fingerprint or
    none."""
    known = {each for each in map(fingerprint, texts) if each is not None}
    known = {each for each in known if data.draw(st.booleans())}
    column = pa.array(texts, pa.string())[skipped:]

    expected = [
        row
        for row, text in enumerate(texts[skipped:])
        if fingerprint(text) is None or fingerprint(text) in known
    ]
    assert expected == doubtful_rows(column, known).to_pylist()


def test_unknown():
    """Without fingerprints everything is in doubt."""
    assert [0, 1] == doubtful_rows(pa.array(["anne@example.com", ""]), None).to_pylist()


def test_few():
    """One erased person leaves hardly anybody in doubt."""
    column = pa.array([f"person.{number}@example.com" for number in range(100_000)])

    found = doubtful_rows(column, {fingerprint("zoe.miller@example.com")})

    assert len(found) < 100
