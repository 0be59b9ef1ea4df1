"""Phrases that several log lines share."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 unsubscribe``, ``10,000 unsubscribes``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
