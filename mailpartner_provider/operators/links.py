"""The link from a task to what it has landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom, conf
from airflow.providers.common.compat.version_compat import get_base_airflow_version_tuple

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

PREFIX = "/mailpartner"
AIRFLOW = get_base_airflow_version_tuple()


class LandedPartitionLink(BaseOperatorLink):
    """Lead to the landing on the page "Mail Partner"; on Airflow 2, to the object in S3.

    There is no link while nothing was landed, nor from Airflow 2 to a folder.
    """

    name = "Landed partition"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Give the link, from the receipt that the task has returned."""
        receipt = XCom.get_value(ti_key=ti_key, key="return_value")
        if not receipt:
            return ""
        if AIRFLOW < (3, 1):
            return console_url(receipt["uri"])
        # Of changes, the page lists the snapshot that they tell.
        return landing_path(receipt.get("source_uri") or receipt["uri"], receipt["snapshot_date"])


def page_path() -> str:
    """Give the path of the page, wherever this Airflow is mounted."""
    return f"{_root()}{PREFIX}/"


def landing_path(uri: str, day: str) -> str:
    """Give the path of a landing on the page; within Airflow's own pages, where these allow it."""
    frame = f"{_root()}/plugin{PREFIX}" if AIRFLOW >= (3, 3) else ""
    return f"{frame}{page_path()}?{urlencode({'uri': uri, 'day': day})}"


def console_url(uri: str) -> str:
    """Give the address of a file or folder in the AWS console; nothing for what is not in S3."""
    scheme, _, place = uri.partition("://")
    bucket, _, key = place.partition("/")
    if scheme not in ("s3", "s3a"):
        return ""
    kind, end = ("object", "") if key.endswith(".parquet") else ("buckets", "/")
    return f"https://console.aws.amazon.com/s3/{kind}/{bucket}?prefix={quote(key)}{end}"


def _root() -> str:
    base_url: str = conf.get("api", "base_url", fallback="")
    return urlsplit(base_url).path.rstrip("/")
