"""The list of erased people, and their redaction from rows and raw records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailpartner_provider.errors import BadData
from mailpartner_provider.exact_json import parse_json, texts
from mailpartner_provider.lake.names import ERASED
from mailpartner_provider.lake.storage import Destination
from mailpartner_provider.masking import addresses
from mailpartner_provider.privacy.hashing import sha256_hashes

#: Precedes the SHA-256 of an erased person's address in the column ``email``.
HASH_PREFIX = "sha256:"


@dataclass(frozen=True)
class ErasureList:
    """The hashes of the addresses of erased people, each with the instant of the erasure."""

    hashes: dict[str, str]

    def redact(self, rows: pa.RecordBatch, hashes: Sequence[str]) -> tuple[pa.RecordBatch, int]:
        """Redact erased people from rows; return the rows, and how many of them changed.

        In the column ``email``, the hash replaces the address. ``extra_fields`` that are an erased
        person's, or name one, become null.

        :param hashes: the hash of each row's address
        :raises RecursionError: an ``extra_fields`` is nested too deeply
        """
        has_email = "email" in rows.schema.names
        is_erased = [each in self.hashes for each in hashes]
        clears = [
            text is not None and (erased or self.find(parse_json(text)) is not None)
            for erased, text in zip(is_erased, rows.column("extra_fields").to_pylist(), strict=True)
        ]
        changed = sum(
            clear or (erased and has_email) for clear, erased in zip(clears, is_erased, strict=True)
        )
        if not changed:
            return rows, 0
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        columns["extra_fields"] = pc.if_else(pa.array(clears), None, columns["extra_fields"])
        if has_email:
            redacted = pa.array([f"{HASH_PREFIX}{each}" for each in hashes])
            columns["email"] = pc.if_else(pa.array(is_erased), redacted, columns["email"])
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema), changed

    def redact_record(self, raw: Any) -> Any:
        """Return a raw record, or only the hash of the erased person whom it names."""
        found = self.find(raw) if self.hashes else None
        return raw if found is None else {"erased": found}

    def find(self, value: Any) -> str | None:
        """Return the hash of an erased person named in a JSON value, by address or by hash."""
        for text in texts(value):
            for candidate in (text, *sha256_hashes([text, *addresses(text)])):
                if candidate in self.hashes:
                    return candidate
        return None

    def to_lines(self) -> str:
        """Return the text of the list's file, one line of JSON for each hash."""
        lines = [{"token": each, "erased_at": at} for each, at in self.hashes.items()]
        return "".join(json.dumps(line) + "\n" for line in lines)


def read_erasure_list(destination: Destination) -> ErasureList:
    """Read the list of a destination; without a file nobody has been erased.

    :raises BadData: the file is damaged, so that nobody knows who was erased
    """
    data = destination.read(ERASED)
    try:
        lines = [json.loads(line) for line in (data or b"").splitlines()]
        return ErasureList({line["token"]: line["erased_at"] for line in lines})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadData(
            f"{destination.uri(ERASED)} is damaged: restore it, or delete it and erase everybody "
            "in it again. It says who was erased; without it they would come back, so nothing was "
            "published"
        ) from None
