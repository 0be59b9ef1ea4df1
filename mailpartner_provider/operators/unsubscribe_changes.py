"""The operator that lands who was added, removed or changed since the last live snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailpartner_provider.compat import BaseOperator
from mailpartner_provider.errors import clear_frame_locals
from mailpartner_provider.operators.links import LandedPartitionLink
from mailpartner_provider.operators.outcome import airflow_errors, attach_receipt

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from mailpartner_provider.changes.diff import Comparison
    from mailpartner_provider.changes.pair import ChangesRequest
    from mailpartner_provider.lake.receipts import ChangesReceipt


class UnsubscribeChangesOperator(BaseOperator):
    """Land what changed in the Mail Partner suppression list as one Parquet partition a day.

    Compares the day's snapshot, as ``UnsubscribeToParquetOperator`` landed it, id by id with the
    last live one before it, and lands the difference in ``<destination>/dt=YYYY-MM-DD/``: records
    with ``change`` (``added``, ``removed`` or ``changed``) and ``previous_snapshot_date``, which is
    null for the very first snapshot and shows gaps of days. Remove all records of these ids from
    the previous snapshot, insert those ``added`` and ``changed``, and the result is the day's
    snapshot.

    A backdated snapshot cannot show who was removed: the task is skipped, and the next live one is
    compared across that day. Needs ``pip install 'mailpartner-provider[changes]'``.

    :param source: the ``destination`` of the snapshots (templated)
    :param destination: another local folder or Airflow object storage URI (templated)
    :param snapshot_date: the day, as YYYY-MM-DD; None: the day of the run, as for the landing
        (templated)
    :param timezone: zone of the business day, as for the landing
    :param max_removed: fail when more than this share of the previous snapshot's records was
        removed, as after a change to another account's key; None turns the guard off
    :return: the receipt, a flat dict of counts, days and digests; never a record or an address
    :raises AirflowFailException: an argument is wrong, or DuckDB missing: Airflow does not retry
    :raises AirflowSkipException: the day's snapshot is backdated
    :raises BadData: a snapshot is missing, does not match its receipt, has other columns than the
        one before, or exceeds ``max_removed``
    :raises OSError: source or destination cannot be read or written
    """

    template_fields: Sequence[str] = ("source", "destination", "snapshot_date")
    operator_extra_links = (LandedPartitionLink(),)
    ui_color = "#e4f0e8"

    def __init__(
        self,
        *,
        source: str,
        destination: str,
        snapshot_date: str | None = None,
        timezone: str = "Europe/Paris",
        max_removed: float | None = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.destination = destination
        self.snapshot_date = snapshot_date
        self.timezone = timezone
        self.max_removed = max_removed
        self._receipt: ChangesReceipt | None = None

    @clear_frame_locals()
    def execute(self, context: Context) -> dict[str, Any]:
        """Land the changes; return the receipt and attach it to every outlet asset's event."""
        from mailpartner_provider.changes.landing import land_changes

        with airflow_errors(self.log):
            self._receipt = land_changes(self._request(context), self.comparison)
            self._report(self._receipt)
        return attach_receipt(self._receipt, self.outlets, context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return the lineage of what was landed; None when nothing was."""
        from mailpartner_provider.operators.telemetry import lineage_of_changes

        return self._receipt and lineage_of_changes(self._receipt)

    def on_kill(self) -> None:
        """Stop the comparison; nothing is published afterwards."""
        self.comparison.stop()

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison, made when first used."""
        from mailpartner_provider.changes.diff import Comparison

        return Comparison()

    def _request(self, context: Context) -> ChangesRequest:
        """Return the checked arguments, now that templates are rendered."""
        from mailpartner_provider.changes.pair import ChangesRequest
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.operators import arguments

        zone = arguments.read_zone(self.timezone)
        day, reason = arguments.read_day(self.snapshot_date, context, zone)
        self.log.info("Landing the changes of %s (from %s, in %s)", day, reason, zone.key)
        return ChangesRequest(
            day,
            open_destination(self.source, "source"),
            open_destination(self.destination),
            arguments.read_share(self.max_removed, "max_removed"),
            arguments.read_task_run(context, self.task_id),
        )

    def _report(self, receipt: ChangesReceipt) -> None:
        since = receipt.previous_snapshot_date
        self.log.info(
            "%s the changes of %s %s in %s: %d records added, %d removed, %d changed",
            "Landed" if receipt.changed else "Unchanged since the last landing:",
            receipt.snapshot_date,
            f"since {since}" if since else "(the first snapshot)",
            receipt.uri,
            receipt.added,
            receipt.removed,
            receipt.changed_records,
        )
