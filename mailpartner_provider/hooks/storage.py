"""Destinations from what users write: an absolute folder, or a URI that Airflow can open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailpartner_provider.compat import ObjectStoragePath
from mailpartner_provider.errors import WrongArgument
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


def open_destination(destination: Any, argument: str = "destination") -> Destination:
    """Open a destination.

    :param destination: an absolute local folder or an Airflow object storage URI
    :param argument: the name of the argument, which errors begin with
    :raises WrongArgument: it is neither, or Airflow cannot open it
    """
    text = str(destination or "").strip()
    scheme, separator, rest = text.partition("://")
    if text.startswith("/"):
        return LocalFolder(Path(text))
    if separator and scheme in _LOCAL and rest.startswith("/"):
        return LocalFolder(Path(rest))
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
    return _open_store(text, argument)


def _open_store(uri: str, argument: str) -> Destination:
    scheme, _, rest = uri.partition("://")
    extra, kind = _STORES[scheme]
    place, _, key = rest.partition("/")
    conn_id, _, bucket = place.rpartition("@")
    # A key with an empty part is another one to S3 than to those who read it.
    parts = [part for part in key.split("/") if part]
    if not bucket:
        raise WrongArgument(f"{argument}: {uri!r} names no bucket")
    if {".", ".."} & set(parts) or set("?#") & set(uri):
        raise WrongArgument(f"{argument}: '?', '#', '/./' and '/../' cannot be part of {uri!r}")
    root = "/".join(parts)
    connection = f" with the connection {conn_id}" if conn_id else ""
    problem = f"{argument}: {scheme}:// cannot be opened here{connection}"
    try:
        # Airflow 2 cannot parse the name of an access point, and the file system is the same.
        fs = ObjectStoragePath(f"{scheme}://{conn_id}@any" if conn_id else f"{scheme}://any").fs
    except (ImportError, ValueError) as error:
        cure = ""
        if isinstance(error, ImportError) or "No filesystem registered" in str(error):
            cure = f" (pip install 'mailpartner-provider[{extra}]')"
        raise WrongArgument(f"{problem}: {error}{cure}") from error
    return kind(fs, bucket, root)
