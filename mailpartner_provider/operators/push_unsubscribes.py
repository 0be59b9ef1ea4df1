"""The operator that adds opt-outs collected elsewhere to the suppression list."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.pacing import PacedOperator
from mailpartner_provider.operators.progress import PushProgress

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from mailpartner_provider.pushes.push import PushRequest
    from mailpartner_provider.pushes.receipt import PushReceipt


class PushUnsubscribesOperator(PacedOperator):
    """Add opt-outs collected elsewhere to the Mail Partner suppression list.

    Reads addresses from Parquet files or a query, leaves out people who are in the newest live
    snapshot, and adds the others one by one with ``POST /v1/unsubscribe/add``. A journal records
    the outcome of each person by hash. When a failed or killed run is tried again, it pushes only
    the people without an outcome. Nobody is ever removed from the list.

    :param snapshot: the ``destination`` of the landings of the same account (templated)
    :param destination: local folder or Airflow object storage URI for journals and receipts; may be
        the same as ``snapshot`` (templated)
    :param source: a Parquet file, or a folder of them: local path or URI (templated)
    :param sql: a query, instead of ``source`` (templated)
    :param sql_conn_id: the connection for the query (templated)
    :param column: the column with the addresses (templated)
    :param mailpartner_conn_id: the connection with the API key (templated)
    :param per_minute: the most calls in any minute, including retries (templated)
    :param max_added: fail, and add nobody, when more people than this are to be added (templated)
    :param dry_run: only return the counts; send nothing to the API and write nothing (templated)
    :param keep_days: after each push, remove the journals and receipts of runs that are at least
        this many days older; None: keep all
    :return: the receipt, a flat dict of counts and instants; never an address or a hash
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: the API refused, or an argument or the connection is wrong:
        Airflow does not retry
    :raises RequestFailed: a request failed four times
    :raises BadData: there is no live snapshot, or there are more people than ``max_added``
    :raises OSError: source or snapshot cannot be read, or the destination cannot be written
    """

    template_fields: Sequence[str] = (
        "source",
        "sql",
        "sql_conn_id",
        "column",
        "snapshot",
        "destination",
        "mailpartner_conn_id",
        "per_minute",
        "max_added",
        "dry_run",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}
    progress_seconds = 5.0

    def __init__(
        self,
        *,
        snapshot: str,
        destination: str,
        source: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        column: str = "email",
        mailpartner_conn_id: str = "mailpartner_default",
        per_minute: int | str = 1000,
        max_added: int | str = 10_000,
        dry_run: bool | str = False,
        keep_days: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.destination = destination
        self.source = source
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.column = column
        self.mailpartner_conn_id = mailpartner_conn_id
        self.per_minute = per_minute
        self.max_added = max_added
        self.dry_run = dry_run
        self.keep_days = keep_days
        self._receipt: PushReceipt | None = None
        self._check_fixed()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return the lineage of the push; None when there was none."""
        from mailpartner_provider.operators.telemetry import lineage_of_push

        return self._receipt and lineage_of_push(self._receipt, self.source, self.hook.base_url)

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.lake.layouts import SNAPSHOT
        from mailpartner_provider.operators import arguments

        arguments.check_fixed(self.snapshot, check_destination, "snapshot")
        arguments.check_fixed(self.destination, check_destination)
        if all(map(arguments.is_fixed, (self.source, self.sql, self.sql_conn_id))):
            self._check_source()
        arguments.check_fixed(self.column, arguments.read_column)
        arguments.check_fixed(self.per_minute, arguments.read_count, "per_minute", least=1)
        arguments.check_fixed(self.max_added, arguments.read_count, "max_added", least=1)
        arguments.check_fixed(self.dry_run, arguments.read_switch, "dry_run")
        arguments.read_keep_days(self.keep_days, SNAPSHOT)

    def _check_source(self) -> None:
        from mailpartner_provider.errors import WrongArgument

        has_files = self.source and not self.sql
        has_query = self.sql and self.sql_conn_id and not self.source
        if not has_files and not has_query:
            raise WrongArgument("source: expected either source, or sql with its sql_conn_id")

    def _run(self, context: Context) -> PushReceipt:
        from mailpartner_provider.operators.telemetry import send_push_metrics
        from mailpartner_provider.pushes.push import Clock, push_unsubscribes

        clock = Clock(lambda: datetime.now(timezone.utc), time.monotonic)
        progress = PushProgress(self.log, self.progress_seconds)
        request = self._request(context)
        add = self._paced(self.hook.add_once)
        receipt = push_unsubscribes(request, self._rows(), add, progress.report, clock)
        self._report(receipt)
        if not receipt.dry_run:
            send_push_metrics(receipt)
        self._receipt = receipt
        return receipt

    def _request(self, context: Context) -> PushRequest:
        """Return the checked arguments, now that templates are rendered."""
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.lake.layouts import SNAPSHOT
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.pushes.batches import batch_of
        from mailpartner_provider.pushes.listed import newest_listed
        from mailpartner_provider.pushes.push import PushRequest

        run = arguments.read_task_run(context, self.task_id, self.mailpartner_conn_id)
        max_added = arguments.read_count(self.max_added, "max_added", least=1)
        keep_days = arguments.read_keep_days(self.keep_days, SNAPSHOT)
        snapshot = open_destination(self.snapshot, "snapshot")
        listed = newest_listed(
            snapshot, arguments.utc_day(), self.hook.is_account, self.hook.email_hmac_key
        )
        self.log.info("Comparing with the snapshot of %s", listed.receipt.snapshot_date)
        return PushRequest(
            batch=batch_of(run, arguments.read_run_day(context)),
            destination=open_destination(self.destination),
            listed=listed,
            per_minute=self.pace.per_minute,
            max_added=max_added,
            dry_run=arguments.read_switch(self.dry_run, "dry_run"),
            keep_days=keep_days,
            run=run,
        )

    def _rows(self) -> Iterator[str | None]:
        from mailpartner_provider.hooks.opt_outs import read_parquet, read_query
        from mailpartner_provider.operators.arguments import read_column

        self._check_source()
        column = read_column(self.column)
        if self.sql and self.sql_conn_id:
            return read_query(self.sql_conn_id, self.sql, column)
        return read_parquet(str(self.source), column)

    def _report(self, receipt: PushReceipt) -> None:
        self.log.info(
            "%s %d opt-outs of %d people, %d of them on the list: %d added, %d already there, "
            "%d invalid",
            "Would push" if receipt.dry_run else "Pushed",
            receipt.to_push,
            receipt.distinct,
            receipt.already_listed,
            receipt.added,
            receipt.already,
            receipt.invalid,
        )
        if receipt.invalid or receipt.empty:
            self.log.warning(
                "Not on the list: %d addresses that are invalid to the API, %d rows without one",
                receipt.invalid,
                receipt.empty,
            )
