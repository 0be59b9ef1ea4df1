"""The operator that tells who was added, removed or changed since the last complete snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
)

from mailpartner_provider.errors import MailPartnerError, WrongArgument, without_variables
from mailpartner_provider.operators.links import LandedPartitionLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from mailpartner_provider.changes.diff import Comparison
    from mailpartner_provider.changes.landing import Order
    from mailpartner_provider.lake.receipts import ChangesReceipt


class UnsubscribeChangesOperator(BaseOperator):
    """Land what changed in the Mail Partner suppression list as one Parquet partition a day.

    Compares the day's snapshot, as ``UnsubscribeToParquetOperator`` has landed it, id by id with
    the last live one before it, and lands ``<destination>/dt=YYYY-MM-DD/``: the records with
    ``change`` (``added``, ``removed`` or ``changed``) and ``previous_snapshot_date``, which is null
    for the very first snapshot, and tells a gap of days. To take all records of these ids out of
    the previous snapshot, and to put those ``added`` and ``changed`` in, gives the day's own.

    A backdated snapshot cannot tell who was removed: the task is skipped, and the next live one is
    compared across that day. Needs ``pip install 'mailpartner-provider[changes]'``.

    :param source: the ``destination`` of the snapshots (templated)
    :param destination: another local folder or Airflow object storage URI (templated)
    :param snapshot_date: the day, as YYYY-MM-DD; None: the day of the run, as for the landing
        (templated)
    :param timezone: zone of the business day, as for the landing
    :param max_removed: fail when more than this share of the previous snapshot's records is no
        longer listed, such as when the key of another account is used; None turns the guard off
    :return: the receipt, a flat dict of counts, days and digests; never a record or an address
    :raises AirflowFailException: an argument is wrong, or DuckDB missing: Airflow does not retry
    :raises AirflowSkipException: the day's snapshot is backdated
    :raises BadData: a snapshot is missing, is not the one that its receipt names, has other columns
        than the one before, or breaks ``max_removed``
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

    @without_variables()
    def execute(self, context: Context) -> dict[str, Any]:
        """Land the changes; return the receipt and attach it to every outlet asset's event."""
        from mailpartner_provider.changes.landing import land_changes

        try:
            order = self._order(context)
            self._receipt = receipt = land_changes(order, self.comparison)
        except WrongArgument as error:
            self.log.error("Refused, and trying again will not help: %s", error)
            raise AirflowFailException(str(error)) from error
        except (MailPartnerError, OSError) as error:
            self.log.error("Not landed: %s", error)
            raise
        if receipt is None:
            raise AirflowSkipException(
                f"the snapshot of {order.day} is backdated, and cannot tell who was removed; the "
                "next live one will be compared across this day"
            )
        self._report(receipt)
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = receipt.as_dict()
        return receipt.as_dict()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Tell OpenLineage what was landed from where; None when nothing was."""
        from mailpartner_provider.operators.lineage import lineage_of_changes

        return self._receipt and lineage_of_changes(self._receipt)

    def on_kill(self) -> None:
        """Stop the comparison; nothing is published afterwards."""
        self.comparison.stop()

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison, made when first used."""
        from mailpartner_provider.changes.diff import Comparison

        return Comparison()

    def _order(self, context: Context) -> Order:
        """Check the arguments, now that templates are rendered, and settle the day."""
        from mailpartner_provider.changes.landing import Order
        from mailpartner_provider.operators import arguments

        zone = arguments.read_zone(self.timezone)
        run = arguments.dates_of_run(context)
        day, reason = arguments.read_day(self.snapshot_date, run, zone)
        self.log.info("Telling the changes of %s, from %s, in %s", day, reason, zone.key)
        return Order(
            day,
            arguments.open_destination(self.source, "source"),
            arguments.open_destination(self.destination),
            arguments.read_share(self.max_removed, "max_removed"),
            arguments.origin_of(context, self.task_id),
        )

    def _report(self, receipt: ChangesReceipt) -> None:
        self.log.info(
            "%s the changes of %s since %s in %s: %d records added, %d removed, %d changed",
            "Landed" if receipt.changed else "Found unchanged",
            receipt.snapshot_date,
            receipt.previous_snapshot_date or "ever",
            receipt.uri,
            receipt.added,
            receipt.removed,
            receipt.changed_records,
        )
