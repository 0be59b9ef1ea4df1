"""Masking of text before people see it: addresses, and characters that cannot be printed."""

from __future__ import annotations

import re
import string
from urllib.parse import unquote

# A quoted text before an at sign is the quoted part of an address.
_WORD = re.compile(r"(?:\"[^\"]*\"(?=@)|[^\s<>\"'(),;:]|(?<=\w)'(?=\w))+")
# An at sign: plain, in URLs (also nested ones), HTML and JSON, and in East Asian widths.
_AT = re.compile(r"@|%(?:25)*40|&#(?:64|x40);?|&commat;?|\\u0040|[\ufe6b\uff20]", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![\w.+-])(?<!\w')[\w.+-]+@\w+(?:[.-]+\w+)*")
_AROUND = f"{string.punctuation}…«»“”‘’"


def masked(text: str) -> str:
    """Replace everything that looks like an address with stars, and unprintables with U+FFFD."""
    shown = without_addresses(text)
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in shown)


def addresses(text: str) -> list[str]:
    """List the possible addresses in a text, as written and without surrounding punctuation."""
    plain = with_plain_ats(text)
    if "@" not in plain:
        return []
    found = [*address_words(f"{text} {plain}"), *inner_addresses(plain)]
    return [*found, *map(without_punctuation, found)]


def with_plain_ats(text: str) -> str:
    """Replace every form of an at sign in URLs, HTML and JSON with the plain one."""
    return _AT.sub("@", unquote(text))


def address_words(text: str) -> list[str]:
    """List the words with an at sign, as written."""
    return [word for word in _WORD.findall(text) if _AT.search(word)]


def inner_addresses(text: str) -> list[str]:
    """List the addresses of the usual form in a text, even inside words."""
    return _ADDRESS.findall(text)


def without_punctuation(word: str) -> str:
    """Strip the punctuation around a word."""
    return word.strip(_AROUND)


def without_addresses(text: str) -> str:
    """Replace every word that looks like an address with stars."""
    return _WORD.sub(lambda word: "***" if _AT.search(word[0]) else word[0], text)
