"""The list of erased people, and their redaction from rows and raw records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.errors import BadData
from mailpartner_provider.exact_json import parse_json
from mailpartner_provider.lake.names import ERASED
from mailpartner_provider.lake.storage import Readable
from mailpartner_provider.privacy.arrays import booleans, mask
from mailpartner_provider.privacy.email_modes import HMAC
from mailpartner_provider.privacy.fingerprints import (
    doubtful_rows,
    fingerprint,
    valid_fingerprint,
)
from mailpartner_provider.privacy.hashing import EmailMode, hash_column
from mailpartner_provider.privacy.matching import (
    find_people,
    redact_email,
    redacted_people,
    sha256_of,
)
from mailpartner_provider.privacy.normal_form import spellings


class Redacted(NamedTuple):
    """Rows without erased people, the number of rows changed, and the hashes of who was found.

    These include people who had been redacted before, or landed as a hash.
    """

    rows: pa.RecordBatch
    changed: int
    found: set[str]


class _Found(NamedTuple):
    """Which rows are an erased person's, the new texts of ``email`` by row, and the hashes."""

    is_erased: pa.Array
    emails: dict[int, str]
    hashes: set[str]


@dataclass(frozen=True)
class ErasureList:
    """The hashes of the addresses of erased people, each with the instant of the erasure.

    ``fingerprints`` has the fingerprint of each hash, None if the address is not plain. Hashes that
    older versions listed are missing there.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    fingerprints: dict[str, int | None] = field(default_factory=dict)

    def adding(
        self, emails: Iterable[str], hmac_keys: Sequence[bytes], erased_at: str
    ) -> ErasureList:
        """Return the list with more people; those already listed keep their instant."""
        people = [hashes_of(email, hmac_keys) for email in emails]
        new = {hashed: each for person in people for hashed, each in person.items()}
        return ErasureList(dict.fromkeys(new, erased_at) | self.hashes, self.fingerprints | new)

    def redact(
        self, rows: pa.RecordBatch, emails: pa.Array | None = None, ids: pa.Array | None = None
    ) -> Redacted:
        """Redact erased people from rows.

        In the column ``email``, a hash replaces the address. ``extra_fields`` that are an erased
        person's, or name one, become null.

        :param emails: the addresses of the rows, where they are no longer in the column ``email``
        :param ids: the ids of erased people whose hashes cannot be recognised
        :raises RecursionError: an ``extra_fields`` is nested too deeply
        """
        is_erased, new_emails, found = self._find(rows, emails)
        if ids is not None:
            is_erased = pc.or_(is_erased, pc.is_in(rows.column("id"), ids))
        extra = rows.column("extra_fields")
        names_somebody, named = self._find_in_json(extra)
        clears = pc.and_(pc.or_(is_erased, names_somebody), extra.is_valid())
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        changes = clears
        if new_emails and "email" in columns:
            is_new = mask(len(extra), new_emails)
            texts = pa.array(list(new_emails.values()), columns["email"].type)
            columns["email"] = pc.replace_with_mask(columns["email"], is_new, texts)
            changes = pc.or_(clears, is_new)
        changed: int = pc.sum(changes).as_py() or 0
        if changed:
            columns["extra_fields"] = pc.if_else(clears, None, extra)
            rows = pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)
        return Redacted(rows, changed, found | named)

    def redact_record(self, raw: Any) -> Any:
        """Return a raw record, or, if it names an erased person, only that person's hash."""
        found = next(find_people(raw, self.hashes), None) if self.hashes else None
        return raw if found is None else {"erased": found}

    def to_lines(self) -> str:
        """Return the text of the list's file, one line of JSON for each hash."""
        lines = (
            {"token": each, "erased_at": at}
            | ({"fingerprint": self.fingerprints[each]} if each in self.fingerprints else {})
            for each, at in self.hashes.items()
        )
        return "".join(json.dumps(line) + "\n" for line in lines)

    def _find(self, rows: pa.RecordBatch, emails: pa.Array | None) -> _Found:
        """Find the rows of erased people by address, or by hash if hashes were landed."""
        if emails is None and "email" in rows.schema.names:
            emails = rows.column("email")
        if emails is not None:
            texts = emails.cast(pa.string())
            return self._find_emails(texts.fill_null("") if texts.null_count else texts)
        column = hash_column(rows)
        if column is None:
            return _Found(mask(rows.num_rows, {}), {}, set())
        is_erased = pc.is_in(column, pa.array(list(self.hashes), pa.string()).cast(column.type))
        return _Found(is_erased, {}, set(column.filter(is_erased).to_pylist()))

    def _find_emails(self, emails: pa.Array) -> _Found:
        new, found = {}, set()
        doubtful = doubtful_rows(emails, self._known_fingerprints())
        for row, email in zip(doubtful.to_pylist(), emails.take(doubtful).to_pylist(), strict=True):
            if redacted := redact_email(email, self.hashes):
                new[row], hashes = redacted
                found |= hashes
            found |= self.hashes.keys() & redacted_people(email)
        return _Found(mask(len(emails), new), new, found)

    def _find_in_json(self, extra: pa.Array) -> tuple[pa.Array, set[str]]:
        """Return which JSON texts name an erased person, and the hashes of these people."""
        encoded = extra.dictionary_encode(null_encoding="encode")
        people = [
            set(find_people(parse_json(text), self.hashes)) if text else set[str]()
            for text in encoded.dictionary.to_pylist()
        ]
        names_somebody = booleans(map(bool, people)).take(encoded.indices)
        return names_somebody, set().union(*people)

    def _known_fingerprints(self) -> set[int] | None:
        """Return the fingerprints of all plain addresses; None if some are not known."""
        if not self.hashes.keys() <= self.fingerprints.keys():
            return None
        return {each for each in self.fingerprints.values() if each is not None}


def hashes_of(email: str, hmac_keys: Sequence[bytes]) -> dict[str, int | None]:
    """Return the hashes by which a person is recognised, each with a fingerprint or None."""
    texts = spellings(email)
    hashes: dict[str, int | None] = {sha256_of(text): fingerprint(text) for text in texts}
    for key in hmac_keys:
        hashes |= dict.fromkeys(EmailMode(HMAC, key).hashes(texts))
    return hashes


def read_erasure_list(destination: Readable) -> ErasureList:
    """Read the list of a destination; without a file nobody has been erased.

    :raises BadData: the file is damaged, so that nobody knows who was erased
    """
    content = destination.read(ERASED)
    try:
        lines = [json.loads(line) for line in (content.data if content else b"").splitlines()]
        listed = [line for line in lines if "fingerprint" in line]
        return ErasureList(
            {line["token"]: line["erased_at"] for line in lines},
            {line["token"]: valid_fingerprint(line["fingerprint"]) for line in listed},
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadData(
            f"{destination.uri(ERASED)} is damaged: restore it, or delete it and erase everybody "
            "in it again. It says who was erased; without it they would come back, so nothing was "
            "published"
        ) from None
