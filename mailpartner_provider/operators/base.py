"""What operators share: how they end, the hook of the connection, and how a load is stopped."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailpartner_provider.compat import BaseOperator
from mailpartner_provider.errors import clear_frame_locals
from mailpartner_provider.operators.outcome import AnyReceipt, airflow_errors, attach_receipt

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.warehouse.request import LoadReport
    from mailpartner_provider.warehouse.session import Stop


class MailPartnerOperator(BaseOperator):
    """An operator that returns a receipt of its work."""

    ui_color = "#e4f0e8"

    @clear_frame_locals()
    def execute(self, context: Context) -> dict[str, Any]:
        """Do the work; return the receipt, and attach it to every outlet asset's event."""
        with airflow_errors(self.log):
            receipt = self._run(context)
        return attach_receipt(receipt, self.outlets, context)

    def _run(self, context: Context) -> AnyReceipt:
        """Do the work; return the receipt."""
        raise NotImplementedError


class HookOperator(MailPartnerOperator):
    """An operator with the hook of a connection to Mail Partner."""

    mailpartner_conn_id: str

    @cached_property
    def hook(self) -> MailPartnerHook:
        """The hook, made when first used, with the rendered connection id."""
        from mailpartner_provider.hooks.mailpartner import MailPartnerHook

        return MailPartnerHook(self.mailpartner_conn_id)


class LoadOperator(MailPartnerOperator):
    """An operator that loads what was landed into a table."""

    _report: LoadReport | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return the lineage of the load; None when nothing was loaded."""
        from mailpartner_provider.operators.telemetry import lineage_of_load

        if not self._report or not self._report.days:
            return None
        table = self._openlineage_name(self._report)
        return table and lineage_of_load(self._report, table)

    def on_kill(self) -> None:
        """Stop the load; the day that is being loaded stays as it was."""
        self._stop.stop()

    def _run(self, context: Context) -> LoadReport:
        from mailpartner_provider.operators.arguments import read_task_run
        from mailpartner_provider.operators.telemetry import send_load_metrics

        began = time.monotonic()
        report = self._load()
        run = read_task_run(context, self.task_id, report.account)
        send_load_metrics(report, run, timedelta(seconds=time.monotonic() - began))
        self._report = report
        return report

    def _load(self) -> LoadReport:
        """Load what the table lacks; return the counts."""
        raise NotImplementedError

    def _openlineage_name(self, report: LoadReport) -> tuple[str, str] | None:
        """Return the namespace and the name of the table in OpenLineage; None if unknown."""
        raise NotImplementedError

    @cached_property
    def _stop(self) -> Stop:
        from mailpartner_provider.warehouse.session import Stop

        return Stop()
