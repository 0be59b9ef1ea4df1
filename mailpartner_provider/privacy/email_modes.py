"""The names of what may be landed of an address."""

from __future__ import annotations

PLAIN, SHA256, HMAC, DROP = EMAIL_MODES = ("plain", "sha256", "hmac", "drop")
