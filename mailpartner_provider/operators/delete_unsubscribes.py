"""The operator that deletes records from the suppression list by their ids, read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.operators.pacing import PacedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mailpartner_provider.pushes.deletion import DeletionReceipt


class DeleteUnsubscribesOperator(PacedOperator):
    """Delete records from the Mail Partner suppression list: these people can be mailed again.

    For people who opted in again. The file has the ids of their records on the list; ids are never
    found by comparing lists. Unless ``dry_run`` is turned off, the ids are only counted.

    :param ids: a text file with an id on each line: absolute local path, or Airflow object storage
        URI (templated)
    :param dry_run: only count the ids; delete nothing (templated)
    :param max_deleted: fail, and delete nothing, when there are more ids than this (templated)
    :param mailpartner_conn_id: the connection with the API key (templated)
    :param per_minute: the most calls in any minute, including retries (templated)
    :return: the receipt, a flat dict of counts
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: the API refused, or the file, an argument or the connection is
        wrong: Airflow does not retry
    :raises RequestFailed: a request failed four times
    :raises BadData: there are more ids than ``max_deleted``
    """

    template_fields: Sequence[str] = (
        "ids",
        "dry_run",
        "max_deleted",
        "mailpartner_conn_id",
        "per_minute",
    )

    def __init__(
        self,
        *,
        ids: str,
        dry_run: bool | str = True,
        max_deleted: int | str = 100,
        mailpartner_conn_id: str = "mailpartner_default",
        per_minute: int | str = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ids = ids
        self.dry_run = dry_run
        self.max_deleted = max_deleted
        self.mailpartner_conn_id = mailpartner_conn_id
        self.per_minute = per_minute
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        if arguments.is_fixed(self.ids):
            check_destination(self._file()[0], "ids")
        arguments.check_fixed(self.dry_run, arguments.read_switch, "dry_run")
        arguments.check_fixed(self.max_deleted, arguments.read_count, "max_deleted", least=1)
        arguments.check_fixed(self.per_minute, arguments.read_count, "per_minute", least=1)

    def _file(self) -> tuple[str, str]:
        """Return the folder and the name of the file of ids."""
        folder, slash, name = str(self.ids or "").strip().rpartition("/")
        if slash and name:
            return f"{folder}/", name
        raise WrongArgument(
            "ids: expected a file, by an absolute local path or an object storage URI, got "
            f"{self.ids!r}"
        )

    def _run(self, context: Context) -> DeletionReceipt:
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.pushes.deletion import delete_unsubscribes

        receipt = delete_unsubscribes(
            self._read_ids(),
            self._paced(self.hook.delete_once),
            dry_run=arguments.read_switch(self.dry_run, "dry_run"),
            max_deleted=arguments.read_count(self.max_deleted, "max_deleted", least=1),
            run=arguments.read_task_run(context, self.task_id, self.mailpartner_conn_id),
        )
        self.log.info(
            "%s of %d ids: %d records deleted, %d not found",
            "Dry run" if receipt.dry_run else "Deletion",
            receipt.given,
            receipt.deleted,
            receipt.not_found,
        )
        return receipt

    def _read_ids(self) -> list[int]:
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.pushes.deletion import read_ids

        folder, name = self._file()
        destination = open_destination(folder, "ids")
        content = destination.read(name)
        if content is None:
            raise WrongArgument(f"ids: there is no file {destination.uri(name)}")
        return read_ids(content.data, destination.uri(name))
