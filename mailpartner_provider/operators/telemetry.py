"""Lineage and metrics of landings, pushes and loads, for OpenLineage, StatsD and OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa

from mailpartner_provider.api.envelope import UNSUBSCRIBE_LIST
from mailpartner_provider.compat import Stats
from mailpartner_provider.days import parse_utc
from mailpartner_provider.lake.layouts import CREATED
from mailpartner_provider.lake.receipts import ChangesReceipt, Receipt, SnapshotReceipt, TaskRun
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.pushes.receipt import PushReceipt
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from mailpartner_provider.warehouse.request import LoadReport

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

#: The most partitions that an event names, so that its size is bounded.
_MOST_INPUTS = 100


def lineage_of_snapshot(receipt: SnapshotReceipt, base_url: str) -> OperatorLineage:
    """Return the lineage of a list: from the API into one partition, or all of ``created``."""
    column = EmailMode(receipt.email_mode).column
    is_created = receipt.partition_by == CREATED
    columns = created_schema(column) if is_created else snapshot_schema(column)
    return _lineage_of_landing([f"{base_url}/{UNSUBSCRIBE_LIST}"], receipt, columns)


def lineage_of_changes(receipt: ChangesReceipt) -> OperatorLineage:
    """Return the lineage of changes: from two snapshots, or the very first, into a partition."""
    sources = [uri for uri in (receipt.source_uri, receipt.previous_uri) if uri]
    columns = changes_schema(snapshot_schema(EmailMode(receipt.email_mode).column))
    return _lineage_of_landing(sources, receipt, columns)


def dataset_name(uri: str) -> tuple[str, str]:
    """Return the namespace and the name of a URI or a local path in OpenLineage."""
    parts = urlsplit(uri)
    if parts.scheme in ("file", ""):
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def send_metrics(receipt: SnapshotReceipt, duration: timedelta) -> None:
    """Send the metrics of a landing, tagged with its ``dag_id``, ``task_id`` and ``conn_id``.

    Gauges ``mailpartner.rows``, ``mailpartner.bytes``, ``mailpartner.rejected`` and
    ``mailpartner.lag``, the seconds from the newest opt-out on the list to the answer; a timing,
    ``mailpartner.duration``.
    """
    tags = _tags(receipt)
    gauges: dict[str, float] = {
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "rejected": receipt.rejected,
    }
    if receipt.max_created_at:
        lag = parse_utc(receipt.observed_at) - parse_utc(receipt.max_created_at)
        gauges["lag"] = lag.total_seconds()
    for name, value in gauges.items():
        Stats.gauge(f"mailpartner.{name}", value, tags=tags)
    Stats.timing("mailpartner.duration", duration, tags=tags)


def lineage_of_push(receipt: PushReceipt, source: str | None, base_url: str) -> OperatorLineage:
    """Return the lineage of a push: from its source and a snapshot into the API's list."""
    from airflow.providers.common.compat.openlineage import facet
    from airflow.providers.openlineage.extractors import OperatorLineage

    rows = facet.OutputStatisticsOutputDatasetFacet(rowCount=receipt.added)
    output = facet.OutputDataset(
        *dataset_name(f"{base_url}/{UNSUBSCRIBE_LIST}"), outputFacets={"outputStatistics": rows}
    )
    names = [dataset_name(receipt.snapshot_uri)]
    if source:
        namespace, name = dataset_name(source)
        scheme, _, authority = namespace.rpartition("://")
        # The authority may begin with the id of Airflow's connection.
        names.append((f"{scheme}://{authority.rpartition('@')[2]}" if scheme else namespace, name))
    inputs = [facet.Dataset(*each) for each in names]
    return OperatorLineage(inputs=inputs, outputs=[] if receipt.dry_run else [output])


def send_push_metrics(receipt: PushReceipt) -> None:
    """Send the metrics of a push, tagged as those of a landing.

    Gauges ``mailpartner.push.added``, ``mailpartner.push.already`` and
    ``mailpartner.push.invalid``; a timing, ``mailpartner.push.duration``.
    """
    tags = _tags(receipt)
    for name in ("added", "already", "invalid"):
        Stats.gauge(f"mailpartner.push.{name}", getattr(receipt, name), tags=tags)
    Stats.timing("mailpartner.push.duration", timedelta(seconds=receipt.seconds), tags=tags)


def lineage_of_load(report: LoadReport, table: tuple[str, str]) -> OperatorLineage:
    """Return the lineage of a load: from the days that it loaded, or their folder, into the table.

    :param table: the namespace and the name of the table in OpenLineage
    """
    is_many = len(report.sources) > _MOST_INPUTS
    sources = [report.destination] if is_many else report.sources
    return _lineage(sources, table, report.columns, report.rows)


def send_load_metrics(report: LoadReport, run: TaskRun, duration: timedelta) -> None:
    """Send the metrics of a load, tagged as those of a landing.

    Gauges ``mailpartner.load.rows`` and ``mailpartner.load.days``; a timing,
    ``mailpartner.load.duration``.
    """
    tags = _tags(run)
    for name in ("rows", "days"):
        Stats.gauge(f"mailpartner.load.{name}", getattr(report, name), tags=tags)
    Stats.timing("mailpartner.load.duration", duration, tags=tags)


def _tags(run: SnapshotReceipt | PushReceipt | TaskRun) -> dict[str, str]:
    names = ("dag_id", "task_id", "conn_id")
    return {name: tag for name in names if (tag := getattr(run, name))}


def _lineage_of_landing(
    sources: Sequence[str], receipt: Receipt, columns: pa.Schema
) -> OperatorLineage:
    types = {column.name: str(column.type) for column in columns}
    return _lineage(sources, dataset_name(receipt.uri), types, receipt.rows, receipt.bytes)


def _lineage(
    sources: Sequence[str],
    output: tuple[str, str],
    columns: Mapping[str, str],
    rows: int,
    size: int | None = None,
) -> OperatorLineage:
    from airflow.providers.common.compat.openlineage import facet
    from airflow.providers.openlineage.extractors import OperatorLineage

    fields = [
        facet.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in columns.items()
    ]
    statistics = facet.OutputStatisticsOutputDatasetFacet(rowCount=rows, size=size)
    dataset = facet.OutputDataset(
        *output,
        facets={"schema": facet.SchemaDatasetFacet(fields=fields)},
        outputFacets={"outputStatistics": statistics},
    )
    inputs = [facet.Dataset(*dataset_name(uri)) for uri in sources]
    return OperatorLineage(inputs=inputs, outputs=[dataset])
