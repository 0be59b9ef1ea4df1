"""Finding of erased people in texts, by the hashes of their addresses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from typing import Any

from mailpartner_provider.exact_json import texts, utf8_text
from mailpartner_provider.masking import (
    address_words,
    addresses,
    inner_addresses,
    with_plain_ats,
    without_punctuation,
)
from mailpartner_provider.privacy.fingerprints import is_plain
from mailpartner_provider.privacy.normal_form import canonical_form, normal_form, visible

#: Precedes the SHA-256 of an erased person's address in the column ``email``.
HASH_PREFIX = "sha256:"

_REDACTED = re.compile(f"{HASH_PREFIX}([0-9a-f]{{64}})")


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text as UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def find_people(value: Any, hashes: Container[str]) -> Iterator[str]:
    """Iterate over the hashes of erased people named in a JSON value, by address or by hash."""
    for text in texts(value):
        if text in hashes:
            yield text
        for candidate in (text, *addresses(visible(text))):
            yield from _known(candidate, hashes)


def redact_email(email: str, hashes: Container[str]) -> tuple[str, set[str]] | None:
    """Replace the erased people in an ``email`` with hashes; return None if it names none.

    Everything else beside an erased person's address, such as a name, is removed. Addresses of
    others remain, separated by semicolons.

    :return: the new text, and the hashes by which people were recognised
    """
    if is_plain(email):
        hashed = sha256_of(email.lower())
        return (f"{HASH_PREFIX}{hashed}", {hashed}) if hashed in hashes else None
    if found := set(_known(email, hashes)):
        return _redacted(email), found
    text = with_plain_ats(visible(email))
    if "@" not in text:
        return None
    parts = {f"{HASH_PREFIX}{each}": None for each in redacted_people(text)}
    for part in _parts(_REDACTED.sub(" ", text), hashes):
        known = set(_known(part, hashes))
        parts[_redacted(part) if known else part] = None
        found |= known
    return (";".join(parts), found) if found else None


def redacted_people(email: str) -> list[str]:
    """List the hashes in an ``email`` that was redacted before."""
    return _REDACTED.findall(email)


def _parts(text: str, hashes: Container[str]) -> Iterator[str]:
    """Split a text into its addresses; a word is split only if an erased person is in it."""
    for word in address_words(text):
        stripped = without_punctuation(word)
        inner = inner_addresses(word)
        if any(_known(word, hashes)):
            yield word
        elif any(_known(stripped, hashes)):
            yield stripped
        elif any(any(_known(each, hashes)) for each in inner):
            yield from inner
        else:
            yield word


def _known(text: str, hashes: Container[str]) -> Iterator[str]:
    """Iterate over the hashes of an address that are an erased person's."""
    forms = {utf8_text(text).strip().lower()}
    if "@" in text:
        forms.add(canonical_form(text))
    return (hashed for hashed in map(sha256_of, forms) if hashed in hashes)


def _redacted(address: str) -> str:
    return f"{HASH_PREFIX}{sha256_of(normal_form(visible(address).strip().rstrip('.')))}"
