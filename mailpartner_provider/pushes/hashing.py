"""The hashes that stand for people in journals and in comparisons with a snapshot."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailpartner_provider.privacy.email_modes import HMAC, PLAIN, SHA256
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.privacy.matching import HASH_PREFIX
from mailpartner_provider.privacy.normal_form import normal_form


class PersonHash(NamedTuple):
    """The hash of the normal form of an address; keyed if the snapshots have keyed hashes.

    :param mode: the ``email_mode`` of the snapshots, other than ``drop``
    """

    mode: EmailMode

    @property
    def name(self) -> str:
        """The name of the member in a journal, like that of the column in a snapshot."""
        return f"email_{HMAC if self.mode.name == HMAC else SHA256}"

    def of(self, address: str) -> str:
        """Return the hash of a person."""
        text = normal_form(address).encode()
        if self.mode.name == HMAC:
            return hmac.new(self.mode.key, text, "sha256").hexdigest()
        return hashlib.sha256(text).hexdigest()

    def landed(self, address: str) -> str:
        """Return the hash by which a snapshot shows an address in this spelling."""
        return self.of(address) if self.mode.name == PLAIN else self.mode.hashes([address])[0]

    def of_column(self, emails: Iterable[str]) -> Iterator[str]:
        """Yield the hashes of the people in the e-mail column of a snapshot."""
        if self.mode.name != PLAIN:
            return iter(emails)
        # An erasure replaces the address with a hash; the addresses of others may follow it.
        return (
            email[len(HASH_PREFIX) :][:64] if email.startswith(HASH_PREFIX) else self.of(email)
            for email in emails
        )
