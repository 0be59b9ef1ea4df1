"""How the list lies in partitions, and what has to change so that it does.

``snapshot``: a partition holds the whole list as it was on a day. ``created``: a partition holds
the people who opted out on a day, and all partitions together are the list as it is now. These are
thousands, so an index tells what stands there: it holds the digest of every partition, save those
that a landing is about to touch. A landing that was killed leaves them out, and the next one
writes them anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake import names
from mailpartner_provider.lake.storage import Destination, digest, naming_the_place

SNAPSHOT, CREATED = LAYOUTS = ("snapshot", "created")
INDEX = "_partitions.json"

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """What the partitions will be, and the steps to it: publish a file, or remove a name.

    The counts are of partitions, and None where there is only one.
    """

    uri: str
    bytes: int
    sha256: str
    changed: bool
    steps: Sequence[tuple[str, Path | None]]
    written: int | None = None
    kept: int | None = None
    removed: int | None = None


def plan(
    destination: Destination,
    partition_by: str,
    files: dict[str, Path],
    declared: str | None,
    scratch: Path,
) -> Change:
    """Say what it takes to have finished partitions stand under their names.

    :param files: the one of a day's snapshot, or all partitions of ``created``: no others stay
    :param declared: the digest in the day's last receipt, or in the last of ``created``. What no
        receipt has declared counts as changed, for its landing was killed before it told anybody
    :raises WrongArgument: there are partitions, and nothing says that they are of this layout
    :raises OSError: the destination cannot be read, or the scratch folder not be written
    """
    if partition_by == SNAPSHOT:
        return _snapshot_change(destination, files, declared)
    return _created_change(destination, files, declared, scratch)


def digest_of(destination: Destination, partition_by: str, name: str) -> str | None:
    """Give the digest of what stands, as receipts declare it; None when there is no such thing.

    :param name: the name of the partition, where all of it is in one
    """
    if partition_by == SNAPSHOT:
        return destination.digest(name)
    index = read_index(destination)
    return None if index is None else digest_of_all(index.values())


def _snapshot_change(
    destination: Destination, files: dict[str, Path], declared: str | None
) -> Change:
    ((name, file),) = files.items()
    sha256 = digest(file)
    changed = not (declared == sha256 == destination.digest(name))
    return Change(
        uri=destination.uri(name),
        bytes=file.stat().st_size,
        sha256=sha256,
        changed=changed,
        steps=[(name, file)] if changed else [],
    )


def _created_change(
    destination: Destination, files: dict[str, Path], declared: str | None, scratch: Path
) -> Change:
    index = read_index(destination)
    standing = {
        name: size
        for name, size in destination.sizes(names.PARTITION_PREFIX).items()
        if names.is_partition_file(name)
    }
    if standing and index is None and declared is None:
        raise WrongArgument(
            f"destination: {min(standing)} and other partitions stand there, and no receipt or "
            f"{INDEX} says that they are of partition_by='created'; land it elsewhere"
        )
    digests = {name: digest(file) for name, file in files.items()}
    sizes = {name: file.stat().st_size for name, file in files.items()}
    kept = {
        name: sha256
        for name, sha256 in digests.items()
        if (index or {}).get(name) == sha256 and standing.get(name) == sizes[name]
    }
    to_write = sorted(files.keys() - kept.keys())
    to_remove = sorted(standing.keys() - files.keys())
    steps = [(name, files[name]) for name in to_write] + [(name, None) for name in to_remove]
    if steps or index != digests:
        before = write_index(scratch / "index-before.json", kept)
        after = write_index(scratch / "index-after.json", digests)
        steps = [(INDEX, before), *steps, (INDEX, after)]
    sha256 = digest_of_all(digests.values())
    return Change(
        uri=destination.uri("").rstrip("/"),
        bytes=sum(sizes.values()),
        sha256=sha256,
        changed=bool(to_write or to_remove) or declared != sha256,
        steps=steps,
        written=len(to_write),
        kept=len(kept),
        removed=len(to_remove),
    )


def read_index(destination: Destination) -> dict[str, str] | None:
    """Read the digests of the partitions: none if they cannot be read, None without an index."""
    text = destination.read(INDEX)
    if text is None:
        return None
    try:
        index = json.loads(text)
    except (ValueError, RecursionError):
        index = None
    if isinstance(index, dict) and all(isinstance(each, str) for each in index.values()):
        return index
    log.warning("Passed over %s, which is no index: all is written anew", destination.uri(INDEX))
    return {}


def write_index(file: Path, index: dict[str, str]) -> Path:
    """Write an index into scratch space."""
    with naming_the_place("write scratch files in", file.parent):
        file.write_text(json.dumps(index, indent=0, sort_keys=True) + "\n", encoding="ascii")
    return file


def digest_of_all(digests: Iterable[str]) -> str:
    """Give the SHA-256 of sorted digests, each in hex and with a line break behind it."""
    lines = "".join(f"{each}\n" for each in sorted(digests))
    return hashlib.sha256(lines.encode("ascii", "replace")).hexdigest()
