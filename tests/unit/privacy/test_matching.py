"""Erased people in texts."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.privacy.erasure_list import ErasureList, hashes_of
from mailpartner_provider.privacy.matching import find_people, redact_email

ZOE = "zoe@example.com"
HASH = hashlib.sha256(ZOE.encode()).hexdigest()
TOKEN = f"sha256:{HASH}"
HASHES = hashes_of(ZOE, [])


@pytest.mark.parametrize(
    "email",
    [
        "Zoe@Example.com",
        "\tzoe@example.com ",
        "Zoe <zoe@example.com>",
        '"Miller, Zoe" <ZOE@example.com>',
        "mailto:zoe@example.com",
        "zoe@example.com.",
        "zoe@example.com (Zoe)",
        "<zoe@example.com>",
        "'zoe@example.com'",
        "z\u200boe@example.com",
        "\ufeffzoe@example.com",
        "zoe\x00@example.com",
        "zoe%40example.com",
        "zoe＠example.com",
        "zoe&#64;example.com",
    ],
)
def test_redacted(email):
    """Whatever stands around an address, or in it unseen, the hash alone takes its place."""
    assert (TOKEN, {HASH}) == redact_email(email, HASHES)


@pytest.mark.parametrize(
    ("email", "redacted"),
    [
        ("anne@example.com;zoe@example.com", f"anne@example.com;{TOKEN}"),
        ("zoe@example.com, Anne <anne@example.com>", f"{TOKEN};anne@example.com"),
        ("zoe@example.com/anne@example.com", f"{TOKEN};anne@example.com"),
        ("o'brien@example.com zoe@example.com", f"o'brien@example.com;{TOKEN}"),
        (f"{TOKEN};zoe@example.com", TOKEN),
        (f"sha256:{'0' * 64};zoe@example.com", f"sha256:{'0' * 64};{TOKEN}"),
    ],
)
def test_others_stay(email, redacted):
    """The addresses of others stay beside the hash: their opt-out is not lost."""
    assert (redacted, {HASH}) == redact_email(email, HASHES)


@pytest.mark.parametrize(
    "email",
    [
        *("joe@example.com", "anne.zoe@example.com", "o'zoe@example.com", "zoe@example.com.fr"),
        *("Zoe", "", "@", "zoe@", TOKEN, "zoe+news@example.com", "zoe@example.community"),
    ],
)
def test_somebody_else(email):
    """Nobody else is redacted."""
    assert redact_email(email, HASHES) is None


@pytest.mark.parametrize(
    ("erased", "email"),
    [
        ("\u00e9mile@example.com", "E\u0301MILE@example.com"),
        ("e\u0301mile@example.com", "\u00e9mile@example.com"),
        ("νίκος@example.com", "ΝΊΚΟΣ@example.com"),
        ("ΝΊΚΟΣ@example.com", "νίκος@example.com"),
        ("x@bücher.example", "X@XN--BCHER-KVA.example"),
        ("x@xn--bcher-kva.example", "x@BÜCHER.example"),
        ("zoe.miller@xn--bcher-kva.example", "zoe.miller@bücher.example"),
        ("zoe.miller@bücher.example", "zoe.miller@xn--bcher-kva.example"),
    ],
)
def test_written_otherwise(erased, email):
    """A person is recognised however accents, capitals and the domain are written, alone or in a
    text; and the hash is one that the list has, so that erasing again finds it."""
    people = hashes_of(erased, [])

    for text in (email, f"Somebody <{email}>", f"mailto:{email}"):
        redacted, found = redact_email(text, people)
        assert redacted.removeprefix("sha256:") in people
        assert found <= people.keys()


@given(st.text(st.sampled_from("zoe@xamplc.;<> ,'\"/é\u200b\x00%40&#;"), max_size=40))
def test_any_text(text):
    """Any text is searched, and a redacted one has no erased person left."""
    if found := redact_email(f"{text} <{ZOE}>", HASHES):
        assert redact_email(found[0], HASHES) is None


def test_json():
    """Everybody who is named in a JSON value is found, by address or by hash."""
    value = {"friends": [f"Ask {ZOE}.", {"Anne@Example.com": 1}], "by": "bob@example.com"}
    listed = ErasureList().adding([ZOE, "anne@example.com"], [], "2026-11-24T06:30:00Z")

    assert listed.hashes.keys() == set(find_people(value, listed.hashes))
    assert [HASH] == list(find_people({"erased": HASH}, HASHES))


@pytest.mark.parametrize(
    "text", ["x@", "@", "ü.", "x@ü.", "<", "%40", "a@b.org;", "xn--x.", "sha256:", "\u200b"]
)
def test_long_text(text):
    """A text of any length is searched, in a time that grows with its length and no faster."""
    redacted, _ = redact_email(f"{text * 100_000} <{ZOE}>", HASHES)

    assert TOKEN in redacted
