"""The table of the page of versions: what the tests said on each, from what they left behind.

``make test-versions`` and ``make test-quick`` leave a report of each version in ``.versions``, and
``make versions-table`` writes the table.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.support.project import PROJECT

REPORTS = PROJECT / ".versions"
PAGE = PROJECT / "docs" / "versions.md"
HEAD = """\
| make | Airflow | Python | passed | failed | skipped, and why |
| --- | --- | --- | --- | --- | --- |
"""


def row(report: Path) -> str:
    """Return the line of one report."""
    suite = ElementTree.parse(report).getroot().find("testsuite")
    airflow, python = suite.get("name").split()
    reasons = Counter(
        re.sub(r"^Skipped: ", "", skipped.get("message")) for skipped in suite.iter("skipped")
    )
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    passed = int(suite.get("tests")) - failed - reasons.total()
    skipped = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common())
    return f"| `{report.stem}` | {airflow} | {python} | {passed} | {failed} | {skipped} |\n"


def order(report: Path) -> tuple[bool, bool, list[int]]:
    """Sort lines of Airflow first, then clouds, then Pythons; the newest first."""
    numbers = [-int(each) for each in re.findall("[0-9]+", report.stem)]
    return "python" in report.stem, "mwaa" in report.stem, numbers


def main() -> None:
    """Replace the lines of the versions that were tested; the others stay."""
    before, begin, rest = PAGE.read_text().partition("<!-- table -->\n")
    table, end, after = rest.partition("<!-- end of table -->")
    rows = {found[1]: found[0] for found in re.finditer(r"\| `(test-\S+)` .*\n", table)}
    rows |= {report.stem: row(report) for report in REPORTS.glob("*.xml")}
    lines = [rows[name] for name in sorted(rows, key=lambda name: order(Path(name + ".xml")))]
    PAGE.write_text("".join([before, begin, HEAD, *lines, end, after]))


if __name__ == "__main__":
    main()
