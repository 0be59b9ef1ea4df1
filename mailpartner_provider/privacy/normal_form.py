"""The forms of an address: the one that databases can compute, and the ways to write it.

Every SQL engine computes the same normal form. White space is removed from both ends, and each
letter is lower-cased alone; two letters that engines treat differently are replaced: ``İ`` becomes
``i``, and ``ς`` becomes ``σ``. For an ASCII address, the result is that of ``str.strip`` and
``str.lower``, so its hash is the same as with ``email_mode="sha256"``.
"""

from __future__ import annotations

import re
import unicodedata

from mailpartner_provider.exact_json import utf8_text

_WHITE_SPACE = " \t\n\v\f\r\u00a0"
# Invisible in a text, and no part of an address: controls, joiners, marks of direction.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_FULL_STOP = re.compile("[\u3002\uff0e\uff61]")  # all of them are dots in a domain
_ONE_ADDRESS = re.compile(r"(\"[^\"@]+\"|[^\s@\"<>()\[\],;:\\]+)@[^\s@\"<>()\[\],;:\\]*\w")
_PUNYCODE = "xn--"
_LABEL_LENGTH = 63  # the most that a domain may have between two dots


def normal_form(address: str) -> str:
    """Return the text whose SHA-256 stands for an address."""
    lowered = utf8_text(address).strip(_WHITE_SPACE).replace("İ", "i").lower()
    return lowered.replace("ς", "σ")


def canonical_form(address: str) -> str:
    """Return the same text for every spelling of an address: composed, with an ASCII domain."""
    local, at, domain = normal_form(visible(address).strip()).rpartition("@")
    labels = _FULL_STOP.sub(".", domain).rstrip(".").split(".")
    return f"{local}{at}{'.'.join(_to_ascii(_to_unicode(label)) for label in labels)}"


def visible(text: str) -> str:
    """Return a text in NFC without invisible characters."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", utf8_text(text)))


def spellings(address: str) -> list[str]:
    """List the texts by which an address is recognised, in lower case, the normal form first."""
    forms = {normal_form(visible(address)): None}
    local, at, domain = visible(address).strip().rpartition("@")
    labels = _FULL_STOP.sub(".", domain).rstrip(".").split(".")
    texts = [address, f"{local}{at}{domain}"]
    for convert in (_to_unicode, _to_ascii):
        # The letters of a domain may have been lower-cased before it was encoded, or not.
        texts.append(f"{local}{at}{'.'.join(map(convert, labels))}")
        texts.append(f"{local}{at}{'.'.join(convert(label.lower()) for label in labels)}")
    texts.append(canonical_form(address))
    for text in texts:
        text = utf8_text(text)
        for written in (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))):
            # Capitals too, because Python lower-cases a final sigma as few engines do.
            for cased in (written, "".join(map(_capital, written))):
                forms[normal_form(cased)] = None
                forms[cased.strip().lower()] = None
    return list(forms)


def is_address(text: str) -> bool:
    """Return whether a text is one address, and nothing else."""
    return _ONE_ADDRESS.fullmatch(visible(text).strip()) is not None


def _to_unicode(label: str) -> str:
    if label[:4].lower() != _PUNYCODE or len(label) > _LABEL_LENGTH:
        return label
    try:
        decoded = normal_form(label[4:].encode("ascii").decode("punycode"))
    except UnicodeError:
        return label
    return label if decoded.isascii() else decoded


def _to_ascii(label: str) -> str:
    if label.isascii() or len(label) > _LABEL_LENGTH:
        return label
    return _PUNYCODE + label.encode("punycode").decode("ascii")


def _capital(letter: str) -> str:
    """Return the capital of a letter that is the capital's small letter."""
    capital = letter.upper()
    return capital if capital.lower() == letter else letter
