"""A destination of its own for each test, in any kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake import objects
from mailpartner_provider.lake.storage import Destination
from tests.support.lake import Lake, OptOuts, opt_outs

if TYPE_CHECKING:
    from tests.support.front import Front

KINDS = ["folder", "s3", "azure", "gcs"]

CONDITIONS = CREATE, REPLACE = "If-None-Match", "If-Match"


def prove(address: str) -> None:
    """Note that a store has proved that it honours conditions."""
    objects._conditional.update({(address, kind): True for kind in CONDITIONS})


class Store:
    """A folder of its own in a store, which does not exist yet.

    :param front: decides what becomes of requests, where there are any
    """

    def __init__(self, kind: str, place: str, front: Front | None = None) -> None:
        self.kind = kind
        self.uri = f"{place}/{uuid4().hex}/unsubscribes"
        self._place = place
        self._front = front

    def __str__(self) -> str:
        return self.uri

    @property
    def front(self) -> Front:
        """What decides what becomes of requests."""
        assert self._front is not None  # an empty bucket counts as false
        return self._front

    def another(self) -> Store:
        """Return another destination in the same store."""
        return Store(self.kind, self._place, self._front)

    def open(self) -> Destination:
        """Open the destination, as an operator does."""
        return open_destination(self.uri)

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, hidden or not, by name."""
        if self.kind == "folder":
            return Lake(Path(self.uri)).files()
        fs, root = self._file_system()
        return {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}

    def restore(self, content: Mapping[str, bytes]) -> None:
        """Replace everything that lies there by these files."""
        if self.kind == "folder":
            Lake(Path(self.uri)).restore(content)
            return
        before = self.files()
        fs, root = self._file_system()
        for name in before.keys() - content.keys():
            fs.rm_file(f"{root}/{name}")
        for name, each in content.items() - before.items():
            fs.pipe_file(f"{root}/{name}", each)

    def opt_outs(self) -> OptOuts:
        """Read what a warehouse would: day, id and address of every row."""
        if not self.files():
            return set()
        if self.kind == "folder":
            return opt_outs(self.uri)
        fs, root = self._file_system()
        return opt_outs(root, filesystem=fs)

    def _file_system(self) -> tuple[Any, str]:
        from mailpartner_provider.compat import ObjectStoragePath

        path = ObjectStoragePath(self.uri)
        path.fs.invalidate_cache()
        return path.fs, path.path.strip("/")
