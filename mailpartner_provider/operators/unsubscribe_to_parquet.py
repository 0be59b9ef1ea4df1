"""The operator that lands the suppression list: fetch, decode, land, report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.base import HookOperator
from mailpartner_provider.operators.links import LandedPartitionLink
from mailpartner_provider.operators.progress import ProgressLog
from mailpartner_provider.words import counted

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from mailpartner_provider.api.stream import UnsubscribeStream
    from mailpartner_provider.lake.receipts import SnapshotReceipt
    from mailpartner_provider.snapshots.request import SnapshotRequest


class UnsubscribeToParquetOperator(HookOperator):
    """Land the Mail Partner suppression list as one dated, typed, complete Parquet partition.

    Every run lands the whole current list in ``<destination>/dt=YYYY-MM-DD/``, or fails with the
    reason and changes nothing. The list comes from ``GET /v1/unsubscribe/list``
    (https://www.docpartner.dev/api/mail-partner).

    :param destination: local folder or Airflow object storage URI, such as
        ``s3://aws_default@lake/mailpartner/unsubscribes`` (templated)
    :param snapshot_date: the day to land, as YYYY-MM-DD; None: the day of the run's partition,
        else of its ``data_interval_end``, ``logical_date`` or ``run_after`` (templated)
    :param mailpartner_conn_id: the connection with the API key (templated)
    :param timezone: zone of the API's ``createdAt`` and of the business day
    :param partition_by: ``snapshot``: one partition a day, which holds the whole list; ``created``:
        one partition for each day on which people opted out, together the current list
    :param email_mode: what to write instead of the address: ``plain``, the address itself;
        ``sha256`` or ``hmac``, a hash in the column ``email_sha256`` or ``email_hmac``; ``drop``,
        nothing
    :param on_empty: what to do when the list is empty: ``write`` a partition without rows, ``skip``
        the task, or ``fail``
    :param max_rejected: fail when more records than this have no usable id or e-mail; up to this
        number, they are quarantined (templated)
    :param max_shrink: fail when the list lost more than this share (0 to 1) of the records that the
        last landing had; None or 1: no limit (templated)
    :param keep_days: after each landing, remove snapshots that are at least this many days older,
        with their receipts and quarantine; None: keep all
    :return: the receipt, a flat dict of counts, days and digests; never a record or an address
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: the API refused, or an argument or the connection is wrong:
        Airflow does not retry
    :raises AirflowSkipException: the list is empty and ``on_empty`` is ``skip``
    :raises RequestFailed: the request failed four times
    :raises BadData: too many records were rejected (``max_rejected``), the list lost too many
        (``max_shrink``), or it is empty and ``on_empty`` is ``fail``
    :raises OSError: the destination cannot be read or written
    """

    template_fields: Sequence[str] = (
        "destination",
        "snapshot_date",
        "mailpartner_conn_id",
        "max_rejected",
        "max_shrink",
    )
    operator_extra_links = (LandedPartitionLink(),)
    progress_seconds = 5.0

    def __init__(
        self,
        *,
        destination: str,
        snapshot_date: str | None = None,
        mailpartner_conn_id: str = "mailpartner_default",
        timezone: str = "Europe/Paris",
        partition_by: str = "snapshot",
        email_mode: str = "plain",
        on_empty: str = "write",
        max_rejected: int | str = 0,
        max_shrink: float | str | None = 0.5,
        keep_days: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.snapshot_date = snapshot_date
        self.mailpartner_conn_id = mailpartner_conn_id
        self.timezone = timezone
        self.partition_by = partition_by
        self.email_mode = email_mode
        self.on_empty = on_empty
        self.max_rejected = max_rejected
        self.max_shrink: float | str = 1 if max_shrink is None else max_shrink
        self.keep_days = keep_days
        self._receipt: SnapshotReceipt | None = None
        self._check_fixed()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return the lineage of what was landed; None when nothing was."""
        from mailpartner_provider.operators.telemetry import lineage_of_snapshot

        return self._receipt and lineage_of_snapshot(self._receipt, self.hook.base_url)

    def on_kill(self) -> None:
        """Stop the landing; nothing is published afterwards."""
        self.hook.stop()

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        arguments.read_zone(self.timezone)
        arguments.read_email_mode(self.email_mode)
        arguments.read_on_empty(self.on_empty)
        arguments.read_keep_days(self.keep_days, arguments.read_partition_by(self.partition_by))
        arguments.check_fixed(self.destination, check_destination)
        arguments.check_fixed(self.snapshot_date, arguments.check_date)
        arguments.check_fixed(self.max_rejected, arguments.read_count, "max_rejected")
        arguments.check_fixed(self.max_shrink, arguments.read_share, "max_shrink")

    def _run(self, context: Context) -> SnapshotReceipt:
        from mailpartner_provider.operators.arguments import current_day
        from mailpartner_provider.operators.telemetry import send_metrics
        from mailpartner_provider.snapshots.landing import land_snapshot

        request = self._request(context)
        began = time.monotonic()
        progress = ProgressLog(self.log, self.progress_seconds)

        def heartbeat(stream: UnsubscribeStream) -> None:
            self.hook.raise_if_stopped()
            progress.report(stream)

        fetch = partial(self.hook.fetch_unsubscribes, request.zone.key)
        today = current_day(request.zone)
        stop = self.hook.raise_if_stopped
        receipt = self.hook.attempts()(land_snapshot, request, today, fetch, heartbeat, stop)
        self._report(receipt)
        send_metrics(receipt, timedelta(seconds=time.monotonic() - began))
        self._receipt = receipt
        return receipt

    def _request(self, context: Context) -> SnapshotRequest:
        """Return the checked arguments, now that templates are rendered."""
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.privacy.hashing import EmailMode
        from mailpartner_provider.snapshots.request import Limits, SnapshotRequest

        zone = arguments.read_zone(self.timezone)
        day, reason = arguments.read_day(self.snapshot_date, context, zone)
        self.log.info("Landing the snapshot of %s (from %s, in %s)", day, reason, zone.key)
        limits = Limits(
            on_empty=arguments.read_on_empty(self.on_empty),
            max_rejected=arguments.read_count(self.max_rejected, "max_rejected"),
            max_shrink=arguments.read_share(self.max_shrink, "max_shrink"),
        )
        email_mode = arguments.read_email_mode(self.email_mode)
        partition_by = arguments.read_partition_by(self.partition_by)
        keep_days = arguments.read_keep_days(self.keep_days, partition_by)
        return SnapshotRequest(
            day=day,
            zone=zone,
            destination=open_destination(self.destination),
            limits=limits,
            run=arguments.read_task_run(context, self.task_id, self.mailpartner_conn_id),
            email_mode=EmailMode.of(email_mode, self.hook.email_hmac_key),
            partition_by=partition_by,
            keep_days=keep_days,
            renamed_from=self.hook.renamed_from,
        )

    def _report(self, receipt: SnapshotReceipt) -> None:
        if receipt.declared is None:
            self.log.warning("The answer declares no count (nbData): it may be incomplete")
        elif receipt.received > receipt.declared:
            self.log.warning(
                "The answer declares %s and holds %d; all of them were landed",
                counted(receipt.declared, "record"),
                receipt.received,
            )
        if receipt.rejected:
            self.log.warning(
                "Quarantined %s without a usable id or e-mail, of %d: report them to Mail Partner; "
                "the reasons are in _rejected/dt=%s.jsonl",
                counted(receipt.rejected, "record"),
                receipt.received,
                receipt.snapshot_date,
            )
        self.log.info(
            "%s %s (%s snapshot of %s) in %s; %d rejected, %d created after that day",
            "Landed" if receipt.changed else "Unchanged since the last landing:",
            counted(receipt.rows, "unsubscribe"),
            receipt.status,
            receipt.snapshot_date,
            receipt.uri,
            receipt.rejected,
            receipt.after_cutoff,
        )
