"""The two layouts of a destination, and the plan that brings a destination to a new state.

``snapshot``: a partition holds the whole list as it was on a day. ``created``: a partition holds
the people who opted out on a day, and all partitions together are the list as it is now. These are
thousands, so an index holds the digest of every partition, except those that a landing is about to
replace. A landing that was killed leaves them out, and the next one writes them again.
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
from mailpartner_provider.lake.scratch import digest, naming_path
from mailpartner_provider.lake.storage import Destination

SNAPSHOT, CREATED = LAYOUTS = ("snapshot", "created")
INDEX = "_partitions.json"

log = logging.getLogger(__name__)


class Plan(NamedTuple):
    """The state of the partitions to come, and the steps to it: a file to publish, None to remove.

    The counts are of partitions, and None where there is only one.
    """

    uri: str
    bytes: int
    sha256: str
    changed: bool
    steps: Sequence[tuple[str, Path | None]]
    partitions_written: int | None = None
    partitions_kept: int | None = None
    partitions_removed: int | None = None


def plan(
    destination: Destination,
    partition_by: str,
    files: dict[str, Path],
    declared: str | None,
    scratch: Path,
) -> Plan:
    """Plan the publication of finished partitions.

    :param files: a day's snapshot, or all partitions of ``created``: no others remain
    :param declared: the digest in the day's last receipt, or in the last one of ``created``. What
        no receipt declares counts as changed: its landing was killed before its receipt
    :raises WrongArgument: there are partitions, and nothing says that they are of this layout
    :raises OSError: the destination cannot be read, or the scratch folder cannot be written
    """
    if partition_by == SNAPSHOT:
        return _plan_snapshot(destination, files, declared)
    return _plan_created(destination, files, declared, scratch)


def published_digest(destination: Destination, partition_by: str, name: str) -> str | None:
    """Return the digest of what is published, as receipts declare it; None if nothing is.

    :param name: the name of the partition, in the layout ``snapshot``
    """
    if partition_by == SNAPSHOT:
        return destination.digest(name)
    index = read_index(destination)
    return None if index is None else digest_of_all(index.values())


def _plan_snapshot(destination: Destination, files: dict[str, Path], declared: str | None) -> Plan:
    ((name, file),) = files.items()
    sha256 = digest(file)
    changed = not (declared == sha256 == destination.digest(name))
    return Plan(
        uri=destination.uri(name),
        bytes=file.stat().st_size,
        sha256=sha256,
        changed=changed,
        steps=[(name, file)] if changed else [],
    )


def _plan_created(
    destination: Destination, files: dict[str, Path], declared: str | None, scratch: Path
) -> Plan:
    index = read_index(destination)
    published = {
        name: size
        for name, size in destination.sizes(names.PARTITION_PREFIX).items()
        if names.is_partition_file(name)
    }
    if published and index is None and declared is None:
        raise WrongArgument(
            f"destination: {destination.uri('')} already holds {min(published)}, and neither a "
            f"receipt nor {INDEX} says that it is of partition_by='created': choose another folder"
        )
    digests = {name: digest(file) for name, file in files.items()}
    sizes = {name: file.stat().st_size for name, file in files.items()}
    kept = {
        name: sha256
        for name, sha256 in digests.items()
        if (index or {}).get(name) == sha256 and published.get(name) == sizes[name]
    }
    to_write = sorted(files.keys() - kept.keys())
    to_remove = sorted(published.keys() - files.keys())
    steps = [(name, files[name]) for name in to_write] + [(name, None) for name in to_remove]
    if steps or index != digests:
        before = write_index(scratch / "index-before.json", kept)
        after = write_index(scratch / "index-after.json", digests)
        steps = [(INDEX, before), *steps, (INDEX, after)]
    sha256 = digest_of_all(digests.values())
    return Plan(
        uri=destination.uri("").rstrip("/"),
        bytes=sum(sizes.values()),
        sha256=sha256,
        changed=bool(to_write or to_remove) or declared != sha256,
        steps=steps,
        partitions_written=len(to_write),
        partitions_kept=len(kept),
        partitions_removed=len(to_remove),
    )


def read_index(destination: Destination) -> dict[str, str] | None:
    """Read the digests of the partitions: none if they cannot be read, None without an index."""
    data = destination.read(INDEX)
    if data is None:
        return None
    try:
        index = json.loads(data)
    except (ValueError, RecursionError):
        index = None
    if isinstance(index, dict) and all(isinstance(each, str) for each in index.values()):
        return index
    log.warning("Ignoring unreadable index %s: writing all partitions", destination.uri(INDEX))
    return {}


def write_index(file: Path, index: dict[str, str]) -> Path:
    """Write an index into scratch space."""
    with naming_path("write scratch files in", file.parent):
        file.write_text(json.dumps(index, indent=0, sort_keys=True) + "\n", encoding="ascii")
    return file


def digest_of_all(digests: Iterable[str]) -> str:
    """Return the SHA-256 of sorted hex digests, each followed by a line break."""
    lines = "".join(f"{each}\n" for each in sorted(digests))
    return hashlib.sha256(lines.encode("ascii", "replace")).hexdigest()
