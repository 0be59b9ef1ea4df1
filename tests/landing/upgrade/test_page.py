"""Destinations of earlier versions are shown."""

from __future__ import annotations

import pytest

from tests.support.runs import AIRFLOW
from tests.support.upgrade import LANDED, LAST, having, page_texts, receipts, with_folder


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow before 3.1 has no place for pages")
class TestPage:
    @having(*LANDED)
    def test_shown(self, webserver, version, folder, place):
        """The page lists every landing, the newest first."""
        texts = page_texts(webserver, place)

        days = [text for text in texts[texts.index("Rejected") :] if text in receipts(place)]
        assert sorted(receipts(place), reverse=True) == days
        for day, stored in receipts(place).items():
            row = texts.index(day, texts.index("Rejected"))
            assert ["live", f"{day} 12:00 CET", str(stored["rows"])] == texts[row + 1 : row + 4]
            assert str(stored["rejected"]) == texts[row + 7]

    @with_folder("changes")
    def test_changes(self, webserver, version, root):
        """Beside its snapshots, a feed shows how many were added and removed."""
        texts = page_texts(webserver, root / "snapshots", root / "changes")

        row = texts.index(str(LAST), texts.index("Rejected"))
        assert ["100", "+4", "−1", "+3"] == texts[row + 3 : row + 7]
