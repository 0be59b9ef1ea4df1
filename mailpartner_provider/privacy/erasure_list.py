"""Who has been erased: a token in the place of the address, in rows and in raw records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.api.records import parse_json, utf8_text
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.names import ERASED
from mailpartner_provider.masking import addresses
from mailpartner_provider.privacy.hashing import HMAC, SHA256, EmailMode

#: Stands before the SHA-256 of an address, in the column ``email``.
HASH_PREFIX = "sha256:"

_HASHES = EmailMode(SHA256)


@dataclass(frozen=True)
class Erased:
    """The tokens of the people who have been erased, each with the instant at which it happened."""

    tokens: dict[str, str]

    def strike(self, rows: pa.RecordBatch, tokens: Sequence[str]) -> tuple[pa.RecordBatch, int]:
        """Take erased people out of rows, and count the rows that this changes.

        Where there is a column ``email``, a token takes the address's place. ``extra_fields`` that
        are an erased person's, or name one, become null.

        :param tokens: the token of each row's person
        :raises RecursionError: an ``extra_fields`` is nested too deep
        """
        emails = "email" in rows.schema.names
        hits = [token in self.tokens for token in tokens]
        bare = [
            text is not None and (hit or self.token_in(parse_json(text)) is not None)
            for hit, text in zip(hits, rows.column("extra_fields").to_pylist(), strict=True)
        ]
        struck = [going or (hit and emails) for going, hit in zip(bare, hits, strict=True)]
        if not any(struck):
            return rows, 0
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        columns["extra_fields"] = pc.if_else(pa.array(bare), None, columns["extra_fields"])
        if emails:
            named = pa.array([f"{HASH_PREFIX}{token}" for token in tokens])
            columns["email"] = pc.if_else(pa.array(hits), named, columns["email"])
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema), sum(struck)

    def strike_record(self, raw: Any) -> Any:
        """Give a raw record, or only the token of an erased person whom it names."""
        token = self.token_in(raw) if self.tokens else None
        return raw if token is None else {"erased": token}

    def token_in(self, value: Any) -> str | None:
        """Find an erased person, by address or token, anywhere in a JSON value."""
        for text in _texts(value):
            candidates = [text, *addresses(text)]
            for token in (text, *hashes(candidates)):
                if token in self.tokens:
                    return token
        return None

    def to_lines(self) -> str:
        """Write the tokens as the text of their file, a line of JSON for each."""
        lines = [{"token": token, "erased_at": at} for token, at in self.tokens.items()]
        return "".join(json.dumps(line) + "\n" for line in lines)


def read_erased(text: bytes | None) -> Erased:
    """Read the tokens back; without a file nobody has been erased.

    :raises BadData: it is no such file, so that nobody knows who was erased
    """
    if text is None:
        return Erased({})
    try:
        lines = [json.loads(line) for line in text.splitlines()]
        return Erased({line["token"]: line["erased_at"] for line in lines})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadData(
            f"{ERASED}, which says who was erased, cannot be read, and without it they would come "
            "back: put it back, or remove it and erase them again; nothing was published"
        ) from None


def hashes(emails: Sequence[str]) -> list[str]:
    """Give the SHA-256 of each address, as ``email_mode="sha256"`` does."""
    return _HASHES.tokens(map(utf8_text, emails))


def tokens_of(batch: pa.RecordBatch) -> list[str]:
    """Give the token of each row's person; none where addresses were dropped."""
    names = batch.schema.names
    if "email" in names:
        return hashes(batch.column("email").to_pylist())
    for mode in (SHA256, HMAC):
        if (column := EmailMode(mode).column) in names:
            tokens: list[str] = batch.column(column).to_pylist()
            return tokens
    return [""] * batch.num_rows


def _texts(value: Any) -> Iterator[str]:
    """Give all texts in a JSON value, names among them."""
    pending = [value]
    while pending:
        inside = pending.pop()
        if isinstance(inside, str):
            yield inside
        elif isinstance(inside, dict):
            pending += [*inside, *inside.values()]
        elif isinstance(inside, list):
            pending += inside
