"""Hashes of addresses, as the contract says how they are made."""

from __future__ import annotations

import hashlib
import hmac

KEY = "clé secrète"


def sha256(address: str) -> str:
    """Return what ``email_mode="sha256"`` lands."""
    return hashlib.sha256(address.strip().lower().encode("utf-8")).hexdigest()


def keyed(address: str) -> str:
    """Return what ``email_mode="hmac"`` lands with ``KEY``."""
    text = address.strip().lower().encode("utf-8")
    return hmac.new(KEY.encode("utf-8"), text, hashlib.sha256).hexdigest()
