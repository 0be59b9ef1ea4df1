"""A page, as it is read."""

from __future__ import annotations

from html.parser import HTMLParser


def shown(html: str) -> tuple[list[str], set[str]]:
    """Read the texts of a page, and the names of its elements."""
    texts: list[str] = []
    tags: set[str] = set()

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            texts.append(data.strip())

        def handle_starttag(self, tag: str, attributes: object) -> None:
            tags.add(tag)

    Reader().feed(html.partition("</style>")[2])
    return list(filter(None, texts)), tags
