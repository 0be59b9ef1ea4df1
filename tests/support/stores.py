"""Each kind of place that a destination can be in, for real, with a fresh folder for every test."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake.storage import Destination
from tests.support.bucket import Bucket
from tests.support.lake import files


class Store:
    """A folder of its own in a store, which does not exist yet."""

    def __init__(self, kind: str, uri: str) -> None:
        self.kind = kind
        self.uri = uri

    def open(self) -> Destination:
        """Open the destination, as an operator does."""
        return open_destination(self.uri)

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, hidden or not, by name."""
        if self.kind == "folder":
            return files(Path(self.uri))
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        path = ObjectStoragePath(self.uri)
        path.fs.invalidate_cache()
        root = path.path.strip("/")
        found = path.fs.find(root)
        return {name.removeprefix(f"{root}/"): path.fs.cat_file(name) for name in found}


def folder(tmp_path: Path) -> Store:
    """Make a store in a local folder."""
    return Store("folder", str(tmp_path / "lake" / "unsubscribes"))


def s3(bucket: Bucket) -> Store:
    """Make a store in a bucket named lake, for which Airflow has a connection."""
    return Store("s3", f"s3://aws_default@lake/{uuid4().hex}/unsubscribes")
