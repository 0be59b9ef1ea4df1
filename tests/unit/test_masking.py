"""What a text may show to people."""

from __future__ import annotations

import pytest

from mailpartner_provider.masking import addresses, masked, without_addresses

LONG = 300_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zoe@example.com", "***"),
        ("for <zoe@example.com>, no", "for <***>, no"),
        ("mailto:zoe@example.com;x@y", "mailto:***;***"),
        ("(zoé+news@exämple.com)", "(***)"),
        ("'a@b' and \"c@d\"", "'***' and \"***\""),
        ("http://x.example/?mail=zoe@example.com&x=1", "http:***"),
        ("?mail=zoe%40example.com", "***"),
        ("a@b@c", "***"),
        ("@", "***"),
        ("zoe@", "***"),
        ('"zoe m"@example.com', "***"),
        ("@example.com", "***"),
        ("zoe\x00@example.com", "***"),
        ("a\ud800b\x00c\x1bd\u2028e\u202ef", "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf"),
        ("of o'brien@example.com", "of ***"),
        ("?u=a%3Fmail%3Dzoe%2540example.com", "***"),
        ("zoe&#64;example.com", "***;example.com"),
        ("zoe&#X40;example.com", "***;example.com"),
        ("zoe&commat;example.com", "***;example.com"),
        ("zoe\\u0040example.com", "***"),
        ("zoe＠example.com", "***"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_addresses(text, shown):
    """Whatever looks like an address is masked, and what cannot be printed is replaced."""
    assert shown == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "zoe@example.com",
        "of zoe@example.com.",
        "[zoe@example.com]!",
        "«zoe@example.com»…",
        "*zoe@example.com* or _zoe@example.com_",
        "...zoe@example.com...",
        "email=zoe@example.com",
        "https://x.example/?mail=zoe@example.com&x=1",
        "?mail=zoe%40example.com",
        "?u=a%3Fmail%3Dzoe%2540example.com",
        "zoe&#64;example.com",
        '{\\"a\\": \\"zoe\\u0040example.com\\"}',
        "zoe＠example.com",
        "zoe@example.com/joe@example.com",
    ],
)
def test_found(text):
    """An address is found in a text, whatever stands around it; no part of another one is."""
    assert "zoe@example.com" in addresses(text)
    assert "oe@example.com" not in addresses(text)
    assert "zoe@example.com" not in addresses(text.replace("zoe", "anne.zoe"))


@pytest.mark.parametrize(
    "text", ["x" * LONG, "@" * LONG, "x@" * LONG, "<" * LONG, "x " * LONG, "." * LONG]
)
def test_long_text(text):
    """A long text is masked in a time that grows with its length, and no faster."""
    assert len(masked(text)) <= len(text)
    assert sum(map(len, addresses(text))) <= 6 * len(text)


def test_addresses_only():
    """What cannot be printed may stay where nobody prints it."""
    assert "a\x00 ***" == without_addresses("a\x00 zoe@example.com")
