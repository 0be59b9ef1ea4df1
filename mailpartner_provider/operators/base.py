"""What several operators share: the hook of the connection, and the run of a load."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailpartner_provider.compat import BaseOperator
from mailpartner_provider.errors import clear_frame_locals
from mailpartner_provider.operators.outcome import airflow_errors, attach_receipt

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.warehouse.request import LoadReport
    from mailpartner_provider.warehouse.session import Stop


class HookOperator(BaseOperator):
    """An operator with the hook of a connection to Mail Partner."""

    mailpartner_conn_id: str

    @cached_property
    def hook(self) -> MailPartnerHook:
        """The hook, made when first used, with the rendered connection id."""
        from mailpartner_provider.hooks.mailpartner import MailPartnerHook

        return MailPartnerHook(self.mailpartner_conn_id)


class LoadOperator(BaseOperator):
    """An operator that loads what was landed into a table."""

    @clear_frame_locals()
    def execute(self, context: Context) -> dict[str, Any]:
        """Load; return the report and attach it to every outlet asset's event."""
        with airflow_errors(self.log):
            report = self._load()
        return attach_receipt(report, self.outlets, context)

    def on_kill(self) -> None:
        """Stop the load; the day that is being loaded stays as it was."""
        self._stop.stop()

    @cached_property
    def _stop(self) -> Stop:
        from mailpartner_provider.warehouse.session import Stop

        return Stop()

    def _load(self) -> LoadReport:
        """Load the days that the table lacks."""
        raise NotImplementedError
