"""The operator that lands who was added, removed or changed since the last live snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.base import MailPartnerOperator
from mailpartner_provider.operators.links import LandedPartitionLink
from mailpartner_provider.words import counted

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from mailpartner_provider.changes.diff import Comparison
    from mailpartner_provider.changes.pair import ChangesRequest
    from mailpartner_provider.lake.receipts import ChangesReceipt


class UnsubscribeChangesOperator(MailPartnerOperator):
    """Land what changed in the Mail Partner suppression list as one Parquet partition a day.

    Compares the day's snapshot, which ``UnsubscribeToParquetOperator`` landed, with the snapshot
    whose changes were landed last. Lands the records that differ in
    ``<destination>/dt=YYYY-MM-DD/``, each with ``change`` (``added``, ``removed`` or ``changed``)
    and ``previous_snapshot_date`` (null in the first partition, which holds the whole list).

    To apply a partition to the previous snapshot, remove all records with one of its ids, then
    insert those ``added`` or ``changed``: the result is the day's snapshot. All partitions, applied
    in order to an empty list, give the latest snapshot. This also holds after the previous snapshot
    was replaced or removed: then the list to compare with is rebuilt from the partitions. Only the
    newest day can be landed again, because later changes build on earlier ones.

    A backdated snapshot cannot show who was removed: the task is skipped, and the next live
    snapshot shows the changes of both days. Needs
    ``pip install 'mailpartner-provider[changes]'``.

    :param source: the ``destination`` of the snapshots (templated)
    :param destination: another local folder or Airflow object storage URI (templated)
    :param snapshot_date: the day, as YYYY-MM-DD; None: the day of the run, as for the landing
        (templated)
    :param timezone: zone of the business day, as for the landing
    :param max_removed: fail when more than this share (0 to 1) of the previous list was removed,
        for example because the key is now of another account; None or 1: no limit (templated)
    :return: the receipt, a flat dict of counts, days and digests; never a record or an address
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: an argument is wrong, or DuckDB is missing: Airflow does not retry
    :raises AirflowSkipException: the day's snapshot is backdated, or the changes of a later day
        already include those of this day
    :raises BadData: a snapshot is missing, does not match its receipt, or has other columns than
        the previous one; too many records were removed (``max_removed``); or the list cannot be
        rebuilt, because the first partition of changes does not hold a whole list
    :raises OSError: source or destination cannot be read or written
    """

    template_fields: Sequence[str] = ("source", "destination", "snapshot_date", "max_removed")
    operator_extra_links = (LandedPartitionLink(),)

    def __init__(
        self,
        *,
        source: str,
        destination: str,
        snapshot_date: str | None = None,
        timezone: str = "Europe/Paris",
        max_removed: float | str | None = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.destination = destination
        self.snapshot_date = snapshot_date
        self.timezone = timezone
        self.max_removed: float | str = 1 if max_removed is None else max_removed
        self._receipt: ChangesReceipt | None = None
        self._check_fixed()

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

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        arguments.read_zone(self.timezone)
        arguments.check_fixed(self.source, check_destination, "source")
        arguments.check_fixed(self.destination, check_destination)
        arguments.check_fixed(self.snapshot_date, arguments.check_date)
        arguments.check_fixed(self.max_removed, arguments.read_share, "max_removed")

    def _run(self, context: Context) -> ChangesReceipt:
        from mailpartner_provider.changes.landing import land_changes

        receipt = land_changes(self._request(context), self.comparison)
        self._report(receipt)
        self._receipt = receipt
        return receipt

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
            arguments.utc_day(),
        )

    def _report(self, receipt: ChangesReceipt) -> None:
        since = receipt.previous_snapshot_date
        self.log.info(
            "%s the changes of %s %s in %s: %s added, %s removed, %s changed",
            "Landed" if receipt.changed else "Unchanged since the last landing:",
            receipt.snapshot_date,
            f"since {since}" if since else "(the first snapshot)",
            receipt.uri,
            counted(receipt.added, "record"),
            f"{receipt.removed:,}",
            f"{receipt.changed_records:,}",
        )
