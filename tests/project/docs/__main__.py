"""Draw the plots of the analyst's page again: ``python -m tests.project.docs``."""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from tests.project.docs.lake import make_lake
from tests.project.docs.page import IMAGES, QUESTIONS, draw, open_lake


def main() -> None:
    """Ask each question whose answer is a picture, and draw the answer."""
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stdout(io.StringIO()):  # Airflow's log
            make_lake(Path(folder) / "lake")
        with open_lake(Path(folder)) as lake:
            for question in QUESTIONS:
                if question.picture:
                    draw(question, lake, IMAGES)
                    print(IMAGES / question.picture)


if __name__ == "__main__":
    main()
