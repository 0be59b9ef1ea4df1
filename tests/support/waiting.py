"""How tests wait: for a condition, with so much patience that a slow machine passes too."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How long anything may take, on a machine that is ten times slower than a usual one.
PATIENCE_SECONDS = 180


def wait_until(met: Callable[[], object]) -> None:
    """Wait for a condition; the test fails when it is never met."""
    over = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < over, "waited in vain"
        time.sleep(0.02)
