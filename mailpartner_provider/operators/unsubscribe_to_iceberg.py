"""The operator that loads what was landed into an Iceberg table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.base import LoadOperator

if TYPE_CHECKING:
    from mailpartner_provider.warehouse.request import LoadReport


class UnsubscribeToIcebergOperator(LoadOperator):
    """Load the landed suppression lists, or their changes, into an Iceberg table.

    The first run loads every day of the source; later runs load the days that have been landed, or
    landed again, since. Each day is a copy of its file, which replaces the copy before in one
    commit. A run that finds nothing new changes nothing. The receipts in the source decide what to
    load, not the asset event that started the task.

    The table is created with the columns of the files and ``account``, partitioned by ``account``
    and ``snapshot_date``. Several accounts may share a table; each replaces its own days only.

    :param source: the ``destination`` of the snapshots, or of the changes (templated)
    :param table: the table, with its namespace, such as ``mailpartner.unsubscribes`` (templated)
    :param iceberg_conn_id: a connection of the type ``iceberg``, which is the catalog (templated)
    :param account: the value of the column ``account``; None: the connection id in the newest
        receipt (templated)
    :param removed_days: what to do with days of the account that the source no longer has:
        ``keep`` or ``delete``
    :return: counts and days; never a record or an address
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: an argument, the table or the source is wrong: Airflow does not
        retry
    :raises BadData: a day does not match its receipt; all other days were loaded
    :raises Conflict: other writers were always faster
    :raises OSError: the source, the catalog or the store of the table failed
    """

    template_fields: Sequence[str] = ("source", "table", "iceberg_conn_id", "account")

    def __init__(
        self,
        *,
        source: str,
        table: str,
        iceberg_conn_id: str = "iceberg_default",
        account: str | None = None,
        removed_days: str = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.table = table
        self.iceberg_conn_id = iceberg_conn_id
        self.account = account
        self.removed_days = removed_days
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        arguments.read_removed_days(self.removed_days)
        arguments.check_fixed(self.source, check_destination, "source")
        arguments.check_fixed(self.account, arguments.read_account)
        arguments.check_fixed(self.table, arguments.read_table_in_namespace)

    def _load(self) -> LoadReport:
        from mailpartner_provider.hooks.iceberg import open_catalog
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.operators import arguments

        source = open_destination(self.source, "source")
        table = arguments.read_table_in_namespace(self.table)
        account = arguments.read_account(self.account)
        removed_days = arguments.read_removed_days(self.removed_days)
        catalog = open_catalog(self.iceberg_conn_id)

        from mailpartner_provider.warehouse.iceberg import dataset_of, load
        from mailpartner_provider.warehouse.request import LoadRequest

        dataset = dataset_of(source)
        request = LoadRequest(source, dataset, table, account, removed_days)
        return load(request, catalog, self.iceberg_conn_id, self._stop)

    def _openlineage_name(self, report: LoadReport) -> tuple[str, str] | None:
        """Return the place of the table's files, by which Spark names it, too."""
        from mailpartner_provider.operators.telemetry import dataset_name

        return dataset_name(str(report.location))
