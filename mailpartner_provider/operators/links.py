"""The link from a task to its landing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from mailpartner_provider.compat import BaseOperatorLink, XCom, airflow_version, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

PREFIX = "/mailpartner"
AIRFLOW = airflow_version()


class LandedPartitionLink(BaseOperatorLink):
    """Link to the landing on the page "Mail Partner"; before Airflow 3.1, to the object in S3.

    There is no link if nothing was landed, nor, before Airflow 3.1, for other stores and folders.
    """

    name = "Landed partition"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the link, from the receipt that the task returned."""
        receipt = XCom.get_value(ti_key=ti_key, key="return_value")
        if not receipt:
            return ""
        if AIRFLOW < (3, 1):
            return console_url(receipt["uri"])
        run = {name: getattr(ti_key, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
        destination = getattr(operator, "destination", "")
        return landing_path(
            receipt["uri"], receipt["snapshot_date"], destination=destination, **run
        )


def page_path() -> str:
    """Return the path of the page, below the path of this Airflow."""
    return f"{_root()}{PREFIX}/"


def landing_path(uri: str, day: str, **more: Any) -> str:
    """Return the path of a landing on the page; since Airflow 3.3, inside Airflow's own pages.

    :param more: the destination of the task, and its run, so that the page can also show a landing
        whose destination is not listed
    """
    frame = f"{_root()}/plugin{PREFIX}" if AIRFLOW >= (3, 3) else ""
    return f"{frame}{page_path()}?{urlencode({'uri': uri, 'day': day, **more})}"


def run_path(run: Mapping[str, Any]) -> str:
    """Return the path of a task run in Airflow's pages; empty when a receipt names none.

    :param run: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``, as in a receipt
    """
    names = [run.get(name) for name in ("dag_id", "run_id", "task_id")]
    if not all(names):
        return ""
    dag_id, run_id, task_id = (quote(str(name), safe="") for name in names)
    index = run.get("map_index")
    mapped = f"/mapped/{index}" if type(index) is int and index >= 0 else ""
    return f"{_root()}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


def console_url(uri: str) -> str:
    """Return the address of a file or folder in the AWS console; empty when it is not in S3."""
    scheme, _, location = uri.partition("://")
    bucket, _, key = location.partition("/")
    if scheme not in ("s3", "s3a"):
        return ""
    kind, end = ("object", "") if key.endswith(".parquet") else ("buckets", "/")
    return f"https://console.aws.amazon.com/s3/{kind}/{bucket}?prefix={quote(key)}{end}"


def _root() -> str:
    base_url: str = conf.get("api", "base_url", fallback="")
    return urlsplit(base_url).path.rstrip("/")
