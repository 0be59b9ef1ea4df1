"""The operator: fetch, decode, land, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
)

from mailpartner_provider.errors import (
    MailPartnerError,
    RequestRefused,
    WrongArgument,
    without_variables,
)
from mailpartner_provider.lake import names
from mailpartner_provider.operators.links import LandedPartitionLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from mailpartner_provider.api.stream import UnsubscribeStream
    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.lake.receipts import Receipt
    from mailpartner_provider.privacy.hashing import EmailMode
    from mailpartner_provider.snapshots.landing import Order


class UnsubscribeToParquetOperator(BaseOperator):
    """Land the Mail Partner suppression list as one dated, typed, complete Parquet partition.

    Every run lands the whole list as it is now in ``<destination>/dt=YYYY-MM-DD/``, verified and
    published at once, or changes nothing and says why. The list comes from
    ``GET /v1/unsubscribe/list`` (https://www.docpartner.dev/api/mail-partner).

    :param destination: local folder or Airflow object storage URI, such as
        ``s3://aws_default@lake/mailpartner/unsubscribes`` (templated)
    :param snapshot_date: the day to land, as YYYY-MM-DD; None: the day of the run's partition,
        else of its ``data_interval_end``, ``logical_date`` or ``run_after`` (templated)
    :param mailpartner_conn_id: the connection with the API key (templated)
    :param timezone: zone of the API's ``createdAt`` and of the business day
    :param partition_by: ``snapshot``, the whole list in a partition a day; or ``created``, a
        partition for each day on which people opted out, together the list as it is now
    :param email_mode: what to land of an address: ``plain``, the address; ``sha256`` or ``hmac``, a
        token in the column ``email_sha256`` or ``email_hmac``; ``drop``, nothing
    :param on_empty: what an empty list means: ``write`` a partition without rows, ``skip`` the
        task, or ``fail`` it
    :param max_rejected: how many records without a usable id or e-mail may be quarantined before
        the task fails
    :param max_shrink: fail when the list lost more than this share since the last snapshot; None
        turns the guard off
    :param keep_days: after a landing, remove the snapshots that lie so many days or more before it,
        receipts and quarantine included; None keeps all
    :return: the receipt, a flat dict of counts, days and digests; never a record or an address
    :raises AirflowFailException: the API refused, or an argument or the connection is wrong:
        Airflow does not retry
    :raises RequestFailed: something broke on the way, four times
    :raises BadData: the answer is whole, but breaks ``max_rejected``, ``max_shrink``, ``on_empty``
    :raises OSError: the destination cannot be read or written
    """

    template_fields: Sequence[str] = ("destination", "snapshot_date", "mailpartner_conn_id")
    operator_extra_links = (LandedPartitionLink(),)
    ui_color = "#e4f0e8"
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
        max_rejected: int = 0,
        max_shrink: float | None = 0.5,
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
        self.max_shrink = max_shrink
        self.keep_days = keep_days
        self._receipt: Receipt | None = None

    @without_variables()
    def execute(self, context: Context) -> dict[str, Any]:
        """Land the list; return the receipt and attach it to every outlet asset's event."""
        try:
            self._receipt = receipt = self._land(self._order(context))
        except (RequestRefused, WrongArgument) as error:
            self.log.error("Refused, and trying again will not help: %s", error)
            raise AirflowFailException(str(error)) from error
        except (MailPartnerError, OSError) as error:
            self.log.error("Not landed: %s", error)
            raise
        if receipt is None:
            raise AirflowSkipException("the list is empty, and on_empty is 'skip'")
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = receipt.as_dict()
        return receipt.as_dict()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Tell OpenLineage what was landed from where; None when nothing was."""
        from mailpartner_provider.operators.lineage import lineage_of_landing

        return self._receipt and lineage_of_landing(self._receipt, self.hook.base_url)

    def on_kill(self) -> None:
        """Stop the landing; nothing is published afterwards."""
        self.hook.stop()

    @cached_property
    def hook(self) -> MailPartnerHook:
        """The hook, made when first used, with the rendered connection id."""
        from mailpartner_provider.hooks.mailpartner import MailPartnerHook

        return MailPartnerHook(self.mailpartner_conn_id)

    def _order(self, context: Context) -> Order:
        """Check the arguments, now that templates are rendered, and settle the day."""
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.snapshots import landing

        zone = arguments.read_zone(self.timezone)
        day, source = arguments.read_day(self.snapshot_date, arguments.dates_of_run(context), zone)
        self.log.info("Landing %s, from %s, in %s", day, source, zone.key)
        terms = arguments.read_terms(self.on_empty, self.max_rejected, self.max_shrink)
        emails = self._emails(arguments.read_email_mode(self.email_mode))
        layout = arguments.read_partition_by(self.partition_by)
        keep_days = arguments.read_keep_days(self.keep_days, layout)
        return landing.Order(
            day=day,
            zone=zone,
            destination=arguments.open_destination(self.destination),
            terms=terms,
            origin=arguments.origin_of(context, self.task_id, self.mailpartner_conn_id),
            emails=emails,
            partition_by=layout,
            keep_days=keep_days,
        )

    def _emails(self, mode: str) -> EmailMode:
        from mailpartner_provider.privacy.hashing import HMAC, EmailMode

        return EmailMode(mode, self.hook.email_hmac_key() if mode == HMAC else b"")

    def _land(self, order: Order) -> Receipt | None:
        from mailpartner_provider.lake.history import read_history
        from mailpartner_provider.operators import metrics
        from mailpartner_provider.snapshots import landing

        history = read_history(order.destination, order.day, order.partition_by)
        today = names.day_of(datetime.now(timezone.utc), order.zone)
        if order.day < today and (kept := landing.keep(order, history, is_live=False)):
            return kept
        began = time.monotonic()
        progress = _Progress(self.log.info, self.progress_seconds)

        def heartbeat(stream: UnsubscribeStream) -> None:
            self.hook.raise_if_stopped()
            progress.report(stream, time.monotonic())

        def fetch_and_land() -> Receipt | None:
            stream = self.hook.fetch_unsubscribes(order.zone.key)
            return landing.land(stream, order, history, heartbeat)

        receipt = self.hook.attempts()(fetch_and_land)
        if receipt:
            self._report(receipt)
            metrics.send(receipt, timedelta(seconds=time.monotonic() - began))
        return receipt

    def _report(self, receipt: Receipt) -> None:
        if receipt.declared is None:
            self.log.warning("The answer declared no count (nbData): nothing says that it is whole")
        elif receipt.received > receipt.declared:
            self.log.warning(
                "The answer declared %d records and held %d; all of them were landed",
                receipt.declared,
                receipt.received,
            )
        self.log.info(
            "%s %d unsubscribes (%s snapshot of %s) in %s; rejected %d, created after the day %d",
            "Landed" if receipt.changed else "Found unchanged",
            receipt.rows,
            receipt.status,
            receipt.snapshot_date,
            receipt.uri,
            receipt.rejected,
            receipt.after_cutoff,
        )


class _Progress:
    """Says every few seconds how far a long list is."""

    def __init__(self, say: Callable[..., None], seconds: float) -> None:
        self._say = say
        self._seconds = seconds
        self._stream: UnsubscribeStream | None = None
        self._said = 0.0

    def report(self, stream: UnsubscribeStream, now: float) -> None:
        if stream is not self._stream:  # the first try, or another one
            self._stream = stream
            self._said = now
        if now - self._said < self._seconds:
            return
        self._said = now
        rate = stream.received / stream.seconds
        if stream.declared and stream.declared >= stream.received:
            self._say(
                "Received %d of %d declared records (%d %%), %d a second, %d s left",
                stream.received,
                stream.declared,
                100 * stream.received // stream.declared,
                rate,
                (stream.declared - stream.received) / rate,
            )
        else:
            self._say("Received %d records, %d a second", stream.received, rate)
