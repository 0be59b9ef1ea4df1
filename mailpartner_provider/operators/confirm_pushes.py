"""The operator that confirms pushes: it looks up the pushed people in the next landed list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.base import HookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mailpartner_provider.pushes.confirmation import ConfirmationReceipt


class ConfirmPushesOperator(HookOperator):
    """Check that everybody who was pushed is in the newest live snapshot.

    Looks up the people of every unconfirmed batch of ``PushUnsubscribesOperator`` that ended before
    the snapshot was taken.

    :param snapshot: the ``destination`` of the landings (templated)
    :param destination: the ``destination`` of the pushes (templated)
    :param mailpartner_conn_id: the connection of both (templated)
    :param max_missing: fail when more people than this are missing from the snapshot (templated)
    :return: the receipt, a flat dict of counts and days; never an address or a hash
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: an argument or the connection is wrong: Airflow does not retry
    :raises BadData: there is no live snapshot, or more people than ``max_missing`` are missing
    :raises OSError: snapshot or journals cannot be read, or the destination cannot be written
    """

    template_fields: Sequence[str] = (
        "snapshot",
        "destination",
        "mailpartner_conn_id",
        "max_missing",
    )

    def __init__(
        self,
        *,
        snapshot: str,
        destination: str,
        mailpartner_conn_id: str = "mailpartner_default",
        max_missing: int | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.destination = destination
        self.mailpartner_conn_id = mailpartner_conn_id
        self.max_missing = max_missing
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        arguments.check_fixed(self.snapshot, check_destination, "snapshot")
        arguments.check_fixed(self.destination, check_destination)
        arguments.check_fixed(self.max_missing, arguments.read_count, "max_missing")

    def _run(self, context: Context) -> ConfirmationReceipt:
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.pushes.confirmation import confirm_pushes
        from mailpartner_provider.pushes.listed import newest_listed

        max_missing = arguments.read_count(self.max_missing, "max_missing")
        snapshot = open_destination(self.snapshot, "snapshot")
        listed = newest_listed(
            snapshot, arguments.utc_day(), self.hook.is_account, self.hook.email_hmac_key
        )
        destination = open_destination(self.destination)
        run = arguments.read_task_run(context, self.task_id, self.mailpartner_conn_id)
        receipt = confirm_pushes(destination, listed, max_missing, run)
        self.log.info(
            "The list of %s has %d of the %d people in %d batches, %d are missing; %d batches are "
            "to be confirmed by a later list",
            receipt.snapshot_date,
            receipt.confirmed,
            receipt.people,
            receipt.batches,
            receipt.missing,
            receipt.waiting,
        )
        return receipt
