"""Opening destinations that users name by an absolute folder, or a URI that Airflow can open."""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from mailpartner_provider.compat import AirflowNotFoundException, BaseHook
from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.hooks.connection import missing
from mailpartner_provider.lake.azure import AzureFolder
from mailpartner_provider.lake.gcs import GcsFolder
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.s3 import S3Folder
from mailpartner_provider.lake.storage import Destination

_LOCAL = ("file", "local")
#: By scheme, the extra that brings its file system, and the destination.
_STORES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), ("s3", S3Folder)),
    **dict.fromkeys(("abfs", "abfss", "adl"), ("azure", AzureFolder)),
    **dict.fromkeys(("gs", "gcs"), ("gcs", GcsFolder)),
}

#: By scheme and connection: a digest of the connection, and the file system opened with it.
_opened: dict[tuple[str, str], tuple[str, Any]] = {}


def open_destination(destination: Any, argument: str = "destination") -> Destination:
    """Open a destination.

    :param destination: an absolute local folder or an Airflow object storage URI
    :param argument: the name of the argument, which errors begin with
    :raises WrongArgument: it is neither, or Airflow cannot open it
    """
    scheme, conn_id, bucket, root = check_destination(destination, argument)
    if scheme in _LOCAL:
        return LocalFolder(Path(root))
    extra, kind = _STORES[scheme]
    try:
        return kind(_file_system(scheme, conn_id), bucket, root)
    except AirflowNotFoundException:
        raise WrongArgument(f"{argument}: the connection {conn_id} {missing(conn_id)}") from None
    except (ImportError, ValueError) as error:
        if isinstance(error, ImportError) or "No filesystem registered" in str(error):
            raise WrongArgument(
                f"{argument}: {scheme}:// needs pip install 'mailpartner-provider[{extra}]' "
                f"({error})"
            ) from error
        connection = f" with the connection {conn_id}" if conn_id else ""
        raise WrongArgument(
            f"{argument}: {scheme}:// cannot be opened here{connection}: {error}"
        ) from error


def find_destinations(pattern: str) -> list[str]:
    """Return the destinations that match a pattern, whose last parts may have a ``*``, sorted.

    ``s3://aws_default@lake/account=*`` is each account's folder. What has no ``*`` is returned as
    it is, whether it exists or not.

    :raises WrongArgument: no folder matches, or Airflow cannot open the store
    :raises OSError: the store cannot be listed
    """
    begin, star, _ = pattern.partition("*")
    if not star:
        return [pattern]
    parent, _, _ = begin.rpartition("/")
    part, *rest = pattern[len(parent) + 1 :].split("/")
    found = [
        destination
        for name in sorted(fnmatch.filter(_folders(check_destination(parent)), part))
        if not name.startswith((".", "_"))
        for destination in find_destinations("/".join([parent, name, *rest]))
    ]
    if not found:
        raise WrongArgument(f"no folder matches {pattern}: correct the pattern")
    return found


def check_destination(destination: Any, argument: str = "destination") -> _Location:
    """Read a destination without opening it.

    :raises WrongArgument: it is neither a local folder nor a URI that can be opened here
    """
    text = str(destination or "").strip()
    scheme, separator, rest = text.partition("://")
    if text.startswith("/"):
        return _Location("file", root=text)
    if separator and scheme in _LOCAL and rest.startswith("/"):
        return _Location(scheme, root=rest)
    if not separator or not scheme or scheme in _LOCAL:
        raise WrongArgument(
            f"{argument}: expected an absolute local folder or an object storage URI, got {text!r}"
        )
    if scheme not in _STORES:
        raise WrongArgument(
            f"{argument}: {scheme}:// cannot be opened here: expected an absolute local folder or "
            f"one of {', '.join(f'{each}://' for each in _STORES)}; others have neither locks nor "
            "conditional requests, or write files in place"
        )
    authority, _, key = rest.partition("/")
    conn_id, _, bucket = authority.rpartition("@")
    # To S3, a key with an empty part is another key; to many readers, it is the same one.
    parts = [part for part in key.split("/") if part]
    if not bucket:
        raise WrongArgument(f"{argument}: {text!r} names no bucket")
    if {".", ".."} & set(parts) or set("?#") & set(text):
        raise WrongArgument(f"{argument}: '?', '#', '/./' and '/../' cannot be part of {text!r}")
    return _Location(scheme, conn_id, bucket, "/".join(parts))


class _Location(NamedTuple):
    """The parts of a destination."""

    scheme: str
    conn_id: str = ""
    bucket: str = ""
    root: str = ""


def _folders(location: _Location) -> list[str]:
    """List the names of the folders in a folder."""
    if location.scheme in _LOCAL:
        return [path.name for path in Path(location.root).iterdir() if path.is_dir()]
    fs = _file_system(location.scheme, location.conn_id)
    fs.invalidate_cache()
    listed = fs.ls(f"{location.bucket}/{location.root}".rstrip("/"), detail=True)
    folders = (each["name"].rstrip("/") for each in listed if each["type"] == "directory")
    return [name.rpartition("/")[2] for name in folders]


def _file_system(scheme: str, conn_id: str) -> Any:
    """Return the file system of a store, opened again when its connection has changed.

    :raises AirflowNotFoundException: there is no such connection; Airflow itself would go on
        without one, to the vendor's own store
    """
    from mailpartner_provider.compat import get_fs

    digest = ""
    if conn_id:
        connection = BaseHook.get_connection(conn_id)
        digest = hashlib.sha256(connection.get_uri().encode()).hexdigest()
    opened = _opened.get((scheme, conn_id))
    if opened is None or opened[0] != digest:
        opened = _opened[scheme, conn_id] = digest, get_fs(scheme, conn_id or None)
    return opened[1]
