"""How the browser is run, and where its pictures are kept."""

from __future__ import annotations

from tests.support.project import PROJECT

PICTURES = PROJECT / ".ui"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
