"""A destination of its own for each test, in any kind of store."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.storage import Destination
from tests.support.lake import files


class Store:
    """A folder of its own in a store, which does not exist yet."""

    def __init__(self, kind: str, place: str) -> None:
        self.kind = kind
        self.uri = place if kind == "folder" else f"{place}/{uuid4().hex}/unsubscribes"

    def open(self) -> Destination:
        """Open the destination, as an operator does."""
        return open_destination(self.uri)

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, hidden or not, by name."""
        if self.kind == "folder":
            return files(Path(self.uri))
        from mailpartner_provider.compat import ObjectStoragePath

        path = ObjectStoragePath(self.uri)
        path.fs.invalidate_cache()
        root = path.path.strip("/")
        found = path.fs.find(root)
        return {name.removeprefix(f"{root}/"): path.fs.cat_file(name) for name in found}
