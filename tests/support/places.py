"""A destination as three see it: the landing, a warehouse, and somebody who looks at every file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow.dataset as ds
from pyarrow import fs

from tests.conftest import files
from tests.support.bucket import KEY, REGION, SECRET, Bucket

OptOuts = set[tuple[str, int, str]]


class Place(Protocol):
    """A destination of either kind."""

    destination: str

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, hidden or not, by name."""

    def restore(self, files: Mapping[str, bytes]) -> None:
        """Replace everything by these files."""

    def opt_outs(self) -> OptOuts:
        """Read what a warehouse would: day, id and address of every row."""


class Folder:
    """A local folder."""

    def __init__(self, root: Path) -> None:
        self.destination = str(root)
        self._root = root

    def files(self) -> dict[str, bytes]:
        return files(self._root)

    def restore(self, files: Mapping[str, bytes]) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        for name, content in files.items():
            (self._root / name).parent.mkdir(parents=True, exist_ok=True)
            (self._root / name).write_bytes(content)

    def opt_outs(self) -> OptOuts:
        return _opt_outs(self.destination) if self._root.exists() else set()


class BucketFolder:
    """A folder of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.destination = f"s3://aws_default@{bucket.name}/unsubscribes"
        self.bucket = bucket
        self._store = fs.S3FileSystem(
            access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=bucket.url
        )

    def files(self) -> dict[str, bytes]:
        return {name.removeprefix("unsubscribes/"): self.bucket[name] for name in self.bucket}

    def restore(self, files: Mapping[str, bytes]) -> None:
        standing = self.files()
        for name in standing.keys() - files.keys():
            del self.bucket[f"unsubscribes/{name}"]
        for name, content in files.items() - standing.items():
            self.bucket[f"unsubscribes/{name}"] = content

    def opt_outs(self) -> OptOuts:
        if not self.bucket:
            return set()
        return _opt_outs(f"{self.bucket.name}/unsubscribes", filesystem=self._store)


def _opt_outs(root: str, **where: Any) -> OptOuts:
    """Read a dataset; names that begin with ``_`` or ``.`` are skipped."""
    found = ds.dataset(root, format="parquet", partitioning="hive", **where)
    columns = found.to_table().to_pydict()
    if not columns:
        return set()
    return set(zip(columns["dt"], columns["id"], columns["email"], strict=True))
