"""What OpenLineage is told of a landing: where the data came from, and what lies where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa

from mailpartner_provider.api.stream import CALL
from mailpartner_provider.changes.landing import changes_schema
from mailpartner_provider.lake.layouts import CREATED
from mailpartner_provider.lake.receipts import ChangesReceipt, Receipt
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.snapshots.splitting import created_schema
from mailpartner_provider.snapshots.staging import snapshot_schema

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


def lineage_of_landing(receipt: Receipt, base_url: str) -> OperatorLineage:
    """Tell that the API's list went into a partition, or into all of ``created``."""
    emails = EmailMode(receipt.email_mode)
    by_day = receipt.partition_by == CREATED
    columns = created_schema(emails) if by_day else snapshot_schema(emails)
    return _lineage([f"{base_url}/{CALL}"], receipt, columns)


def lineage_of_changes(receipt: ChangesReceipt) -> OperatorLineage:
    """Tell that two snapshots, or the very first, went into a partition of changes."""
    sources = [uri for uri in (receipt.source_uri, receipt.previous_uri) if uri]
    columns = changes_schema(snapshot_schema(EmailMode(receipt.email_mode)))
    return _lineage(sources, receipt, columns)


def data_set(uri: str) -> tuple[str, str]:
    """Give the namespace and the name that OpenLineage has for what lies at a URI."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def _lineage(
    sources: Sequence[str], receipt: Receipt | ChangesReceipt, columns: pa.Schema
) -> OperatorLineage:
    from airflow.providers.common.compat.openlineage import facet
    from airflow.providers.openlineage.extractors import OperatorLineage

    fields = [
        facet.SchemaDatasetFacetFields(name=column.name, type=str(column.type))
        for column in columns
    ]
    size = facet.OutputStatisticsOutputDatasetFacet(rowCount=receipt.rows, size=receipt.bytes)
    output = facet.OutputDataset(
        *data_set(receipt.uri),
        facets={"schema": facet.SchemaDatasetFacet(fields=fields)},
        outputFacets={"outputStatistics": size},
    )
    inputs = [facet.Dataset(*data_set(uri)) for uri in sources]
    return OperatorLineage(inputs=inputs, outputs=[output])
