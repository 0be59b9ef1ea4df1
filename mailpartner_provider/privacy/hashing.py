"""What is landed of an address: itself, a token in its place, or nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from mailpartner_provider.api.records import SCHEMA, parse_json, to_json, utf8_text
from mailpartner_provider.masking import without_addresses

PLAIN, SHA256, HMAC, DROP = EMAIL_MODES = ("plain", "sha256", "hmac", "drop")


@dataclass(frozen=True)
class EmailMode:
    """One of ``plain``, ``sha256``, ``hmac`` (with its key) and ``drop``.

    A token is the hex SHA-256, or HMAC-SHA256, of the address as UTF-8, after ``str.strip`` and
    ``str.lower``: white space and case as Unicode has them, nothing else is changed.
    """

    name: str = PLAIN
    key: bytes = field(default=b"", repr=False)

    @property
    def column(self) -> str | None:
        """The column in the place of ``email``; None when there is none."""
        return {PLAIN: "email", DROP: None}.get(self.name, f"email_{self.name}")

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of an unsubscribe in this mode."""
        place = SCHEMA.get_field_index("email")
        if not self.column:
            return SCHEMA.remove(place)
        return SCHEMA.set(place, pa.field(self.column, pa.string(), nullable=False))

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give the rows in this mode.

        :raises RecursionError: an ``extra_fields`` is nested too deep
        """
        if self.name == PLAIN:
            return batch
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if self.column:
            tokens = self.tokens(columns["email"].to_pylist())
            columns[self.column] = pa.array(tokens, pa.string())
        extra = columns["extra_fields"]
        if extra.null_count < len(extra):
            texts = [text and self._apply_to_text(text) for text in extra.to_pylist()]
            columns["extra_fields"] = pa.array(texts, pa.string())
        arrays = [columns[name] for name in self.schema.names]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def apply_to_json(self, value: Any) -> Any:
        """Give a JSON value in this mode; objects and lists are changed in place.

        A member ``email`` becomes its token's, or is left out if it is no text. In any other text
        and name, whatever looks like an address is masked.
        """
        if self.name == PLAIN:
            return value
        whole = [value]
        pending: list[Any] = [whole]
        while pending:  # not by recursion, for a record may be nested deeper than calls may be
            inside = pending.pop()
            if isinstance(inside, dict):
                members = [self._member(*member) for member in inside.items()]
                inside.clear()
                inside.update(filter(None, members))
                pending += inside.values()
            elif isinstance(inside, list):
                inside[:] = map(_masked, inside)
                pending += inside
        return whole[0]

    def tokens(self, emails: Iterable[str]) -> list[str]:
        """Make the tokens of addresses."""
        # Copies are cheaper than new ones.
        begun: Any = (
            hmac.new(self.key, digestmod="sha256") if self.name == HMAC else hashlib.sha256()
        )
        tokens = []
        for email in emails:
            hashed = begun.copy()
            hashed.update(email.strip().lower().encode())
            tokens.append(hashed.hexdigest())
        return tokens

    def _apply_to_text(self, text: str) -> str:
        return to_json(self.apply_to_json(parse_json(text)))

    def _member(self, name: str, value: Any) -> tuple[str, Any] | None:
        """Give what takes the place of a member; None when nothing does."""
        if name != "email":
            return without_addresses(name), _masked(value)
        if self.column and isinstance(value, str):
            return self.column, self.tokens([utf8_text(value)])[0]
        return None


def _masked(value: Any) -> Any:
    return without_addresses(value) if isinstance(value, str) else value
