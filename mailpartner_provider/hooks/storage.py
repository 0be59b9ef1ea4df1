"""Destinations from what users write: an absolute folder, or a URI that Airflow can open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.lake.storage import Destination, LocalFolder, ObjectStore


def open_destination(destination: Any, argument: str = "destination") -> Destination:
    """Open a destination.

    :param destination: an absolute local folder or an Airflow object storage URI
    :param argument: the name of the argument, which errors begin with
    :raises WrongArgument: it is neither, or Airflow cannot open it
    """
    text = str(destination or "").strip()
    expected = f"{argument}: expected an absolute local folder or an object storage URI"
    if not text.startswith("/") and "://" not in text:
        raise WrongArgument(f"{expected}, got {text!r}")
    try:
        path = ObjectStoragePath(text)
        if path.protocol in ("", "file", "local"):
            return LocalFolder(Path(path.path))
        return ObjectStore(path.fs, path.path)
    except (ImportError, ValueError) as error:
        scheme = text.partition("://")[0]
        raise WrongArgument(
            f"{argument}: {scheme}:// cannot be opened here: {error} (for S3: "
            f"pip install 'mailpartner-provider[s3]'); {expected.partition(': ')[2]}"
        ) from error
