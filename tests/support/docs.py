"""README and the pages of the documentation: their code blocks and tables."""

from __future__ import annotations

import re

from tests.support.project import PROJECT

PAGES = {
    str(path.relative_to(PROJECT)): path.read_text()
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md")))
}
README = PAGES["README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(page: str, language: str, containing: str) -> str:
    """Return the one code block of a page with this text in it."""
    blocks = BLOCK.findall(PAGES[page])
    (found,) = [text for spoken, text in blocks if spoken == language and containing in text]
    return found


def table(page: str, first: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first heading begins so, by the code in the first cell."""
    after = PAGES[page].partition(f"\n| {first}")[2]
    cells = [line.split("|")[1:-1] for line in after.partition("\n\n")[0].splitlines()[1:]]
    return {
        name: [cell.strip() for cell in row[1:]]
        for row in cells
        for name in re.findall(r"`(\w+)`", row[0])
    }
