"""Streams of an answer in chunks."""

from __future__ import annotations

import json

from mailpartner_provider.api.stream import UnsubscribeStream
from tests.support.api import THREE, listing
from tests.support.days import PARIS
from tests.support.oracle import NOW

GOOD = json.dumps(listing(THREE)).encode()


def opened(chunks, **arguments) -> UnsubscribeStream:
    """Return the stream of an answer, in chunks or in one piece."""
    chunks = [chunks] if isinstance(chunks, bytes) else chunks
    return UnsubscribeStream(chunks, PARIS, observed_at=NOW, **arguments)


def ids(chunks) -> list[int]:
    """Read the ids of an answer's records."""
    return [key for block in opened(chunks) for key in block.batch.column("id").to_pylist()]
