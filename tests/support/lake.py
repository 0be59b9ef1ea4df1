"""What lies in a destination, in a local folder or in a bucket: partitions, receipts, quarantine.

A day that is not given is today.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from tests.support.days import today

if TYPE_CHECKING:
    from tests.support.bucket import Bucket

OptOuts = set[tuple[str, int, str]]


def partition_name(day: date | str | None = None) -> str:
    """Return the name of a day's file, below the destination."""
    return f"dt={day or today()}/part-00000.parquet"


def receipt_name(day: date | None = None) -> str:
    """Return the name of a day's receipt, below the destination."""
    return f"_receipts/dt={day or today()}.json"


def quarantine_name(day: date | None = None) -> str:
    """Return the name of a day's quarantine, below the destination."""
    return f"_rejected/dt={day or today()}.jsonl"


def files(folder: Path) -> dict[str, bytes]:
    """Read everything below a folder, hidden files too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Lake:
    """A destination in a local folder; may be used as its path, as in ``lake / "name"``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.destination = str(folder)

    def __fspath__(self) -> str:
        return self.destination

    def __str__(self) -> str:
        return self.destination

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def exists(self) -> bool:
        return self.folder.exists()

    def glob(self, pattern: str) -> Iterator[Path]:
        return self.folder.glob(pattern)

    def holds(self, day: date) -> bool:
        """Return whether anything was landed for a day."""
        return any(f"dt={day}" in name for name in self.files())

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, hidden files too, by name."""
        return files(self.folder)

    def restore(self, content: Mapping[str, bytes]) -> None:
        """Replace everything that lies there by these files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, each in content.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(each)

    def partition(self, day: date | str | None = None) -> Path:
        """Return the path of a day's file."""
        return self.folder / partition_name(day)

    def table(self, day: date | None = None) -> pa.Table:
        """Read a day's file."""
        return pq.read_table(self.partition(day), partitioning=None)

    def rows(self, day: date | None = None) -> list[dict[str, Any]]:
        """Read a day's rows."""
        return self.table(day).to_pylist()

    def receipt_path(self, day: date | None = None) -> Path:
        """Return the path of a day's receipt."""
        return self.folder / receipt_name(day)

    def receipt(self, day: date | None = None) -> dict[str, Any]:
        """Read a day's receipt."""
        return json.loads(self.receipt_path(day).read_text())

    def make_live(self, day: date) -> None:
        """Rewrite a backdated receipt as if the list had been observed on its own day."""
        path = self.receipt_path(day)
        path.write_bytes(_live(path.read_bytes()))

    def quarantine_path(self, day: date | None = None) -> Path:
        """Return the path of a day's quarantine."""
        return self.folder / quarantine_name(day)

    def quarantine(self, day: date | None = None) -> list[dict[str, Any]]:
        """Read a day's quarantine: reasons and records."""
        return [json.loads(line) for line in self.quarantine_path(day).read_text().splitlines()]

    def scratch(self) -> list[Path]:
        """List the scratch folders of landings that are under way, or were killed."""
        return list(self.folder.glob(".mailpartner-landing-*"))

    def opt_outs(self) -> OptOuts:
        """Read what a warehouse would: day, id and address of every row."""
        return opt_outs(self.destination) if self.exists() else set()


class BucketLake:
    """A destination in a bucket."""

    def __init__(self, bucket: Bucket, root: str = "unsubscribes") -> None:
        from tests.support.bucket import KEY, REGION, SECRET

        self.bucket = bucket
        self.root = root
        self.destination = f"s3://aws_default@{bucket.name}/{root}"
        self._store = fs.S3FileSystem(
            access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=bucket.url
        )

    def __str__(self) -> str:
        return self.destination

    def partition(self, day: date | None = None) -> str:
        """Return the key of a day's file."""
        return f"{self.root}/{partition_name(day)}"

    def receipt_path(self, day: date | None = None) -> str:
        """Return the key of a day's receipt."""
        return f"{self.root}/{receipt_name(day)}"

    def quarantine_path(self, day: date | None = None) -> str:
        """Return the key of a day's quarantine."""
        return f"{self.root}/{quarantine_name(day)}"

    def files(self) -> dict[str, bytes]:
        """Read everything that lies there, by name."""
        return {name.removeprefix(f"{self.root}/"): self.bucket[name] for name in self.bucket}

    def restore(self, content: Mapping[str, bytes]) -> None:
        """Replace everything that lies there by these files."""
        standing = self.files()
        for name in standing.keys() - content.keys():
            del self.bucket[f"{self.root}/{name}"]
        for name, each in content.items() - standing.items():
            self.bucket[f"{self.root}/{name}"] = each

    def receipt(self, day: date | None = None) -> dict[str, Any]:
        """Read a day's receipt."""
        return json.loads(self.bucket[self.receipt_path(day)])

    def make_live(self, day: date) -> None:
        """Rewrite a backdated receipt as if the list had been observed on its own day."""
        key = self.receipt_path(day)
        self.bucket[key] = _live(self.bucket[key])

    def opt_outs(self) -> OptOuts:
        """Read what a warehouse would: day, id and address of every row."""
        if not self.bucket:
            return set()
        return opt_outs(f"{self.bucket.name}/{self.root}", filesystem=self._store)


def _live(receipt: bytes) -> bytes:
    assert b'"backdated"' in receipt
    return receipt.replace(b'"backdated"', b'"live"')


def opt_outs(root: str, **where: Any) -> OptOuts:
    """Read a dataset; names that begin with ``_`` or ``.`` are skipped."""
    found = ds.dataset(root, format="parquet", partitioning="hive", **where)
    columns = found.to_table().to_pydict()
    if not columns:
        return set()
    return set(zip(columns["dt"], columns["id"], columns["email"], strict=True))
