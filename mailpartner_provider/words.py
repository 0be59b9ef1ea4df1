"""Phrases that several logs and errors share."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 unsubscribe``, ``10,000 unsubscribes``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def without_text(error: Exception) -> str:
    """Return the type of an error of a database and its SQLSTATE; its text may quote a row."""
    kind = type(error).__name__
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return f"{kind}, SQLSTATE {sqlstate}" if sqlstate else kind
