"""Files of the project itself."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "dags_examples"
