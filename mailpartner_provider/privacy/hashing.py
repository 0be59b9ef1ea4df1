"""The forms in which an address is landed: the address itself, a hash of it, or nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mailpartner_provider.exact_json import containers, parse_json, to_json, utf8_text
from mailpartner_provider.masking import without_addresses
from mailpartner_provider.privacy.email_modes import DROP, HMAC, PLAIN, SHA256
from mailpartner_provider.schemas import record_schema


@dataclass(frozen=True)
class EmailMode:
    """One of ``plain``, ``sha256``, ``hmac`` (with its key) and ``drop``.

    A hash is the hex SHA-256, or HMAC-SHA256, of the address as UTF-8, after ``str.strip`` and
    ``str.lower``: whitespace and case as Unicode defines them, nothing else is changed.
    """

    name: str = PLAIN
    key: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, name: str, hmac_key: Callable[[], bytes]) -> EmailMode:
        """Return a mode; the key is read only if the mode needs it."""
        return cls(name, hmac_key() if name == HMAC else b"")

    @property
    def column(self) -> str | None:
        """The column in the place of ``email``; None for ``drop``."""
        return {PLAIN: "email", DROP: None}.get(self.name, f"email_{self.name}")

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return decoded rows with the columns of this mode.

        :raises RecursionError: an ``extra_fields`` is nested too deeply
        """
        if self.name == PLAIN:
            return batch
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if self.column:
            hashes = self.hashes(columns["email"].to_pylist())
            columns[self.column] = pa.array(hashes, pa.string())
        extra = columns["extra_fields"]
        if extra.null_count < len(extra):
            texts = [text and self._apply_to_text(text) for text in extra.to_pylist()]
            columns["extra_fields"] = pa.array(texts, pa.string())
        schema = record_schema(self.column)
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)

    def apply_to_json(self, value: Any) -> Any:
        """Return a JSON value in this mode; objects and arrays are changed in place.

        A member ``email`` is replaced by its hash, or removed if it is not a text. In all other
        texts and member names, everything that looks like an address is masked.
        """
        if self.name == PLAIN:
            return value
        whole = [value]
        for container in containers(whole):
            if isinstance(container, dict):
                members = [self._member(*member) for member in container.items()]
                container.clear()
                container.update(filter(None, members))
            else:
                container[:] = map(_masked, container)
        return whole[0]

    def hashes(self, emails: Iterable[str]) -> list[str]:
        """Return the hash of each address."""
        # Copies are cheaper than new ones.
        begun: Any = (
            hmac.new(self.key, digestmod="sha256") if self.name == HMAC else hashlib.sha256()
        )
        hashes = []
        for email in emails:
            hashed = begun.copy()
            hashed.update(email.strip().lower().encode())
            hashes.append(hashed.hexdigest())
        return hashes

    def _apply_to_text(self, text: str) -> str:
        return to_json(self.apply_to_json(parse_json(text)))

    def _member(self, name: str, value: Any) -> tuple[str, Any] | None:
        """Return the member that replaces this one; None to remove it."""
        if name != "email":
            return without_addresses(name), _masked(value)
        if self.column and isinstance(value, str):
            return self.column, self.hashes([utf8_text(value)])[0]
        return None


def hash_column(rows: pa.RecordBatch) -> pa.Array | None:
    """Return the column with the hashes of landed rows; None if there is no such column."""
    columns = (EmailMode(mode).column for mode in (SHA256, HMAC))
    return next((rows.column(name) for name in columns if name in rows.schema.names), None)


def _masked(value: Any) -> Any:
    return without_addresses(value) if isinstance(value, str) else value
