"""The operator that loads what was landed into a table of a database or warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mailpartner_provider.operators.base import LoadOperator

if TYPE_CHECKING:
    from mailpartner_provider.warehouse.request import LoadReport, LoadRequest


class UnsubscribeToSqlOperator(LoadOperator):
    """Load the landed suppression list, its changes or its receipts into a table.

    The first run loads every day of the source; later runs load the days that have been landed, or
    landed again, since. Each day is replaced in one transaction, which also records it in the table
    ``<table>_loaded``. A run that finds nothing new changes nothing. The receipts in the source
    decide what to load, not the asset event that started the task.

    The table is created with the columns of the files and ``account``. Several accounts may share
    a table; each replaces its own rows only.

    :param source: the ``destination`` of the snapshots, or of the changes (templated)
    :param conn_id: a connection to PostgreSQL, DuckDB, Snowflake or Redshift (templated)
    :param table: the table, such as ``mailpartner.unsubscribes`` (templated)
    :param dataset: ``current``, the newest live list; ``changes``, the records added, removed or
        changed each day; ``snapshots``, the whole list of each day; ``receipts``, one row for each
        landing
    :param account: the value of the column ``account``; None: the connection id in the newest
        receipt (templated)
    :param removed_days: what to do with days of the account that the source no longer has:
        ``keep`` or ``delete``
    :param history_view: only for ``changes``: the name of a view to create, of the intervals in
        which each person was suppressed; None: no view (templated)
    :param hook_params: arguments for the hook of the connection, as for ``SQLExecuteQueryOperator``
    :return: counts and days; never a record or an address
    :raises WrongArgument: an argument without a template is wrong; raised when the DAG is parsed
    :raises AirflowFailException: an argument, the table or the source is wrong: Airflow does not
        retry
    :raises AirflowSkipException: there is no live snapshot yet
    :raises BadData: a day does not match its receipt; all other days were loaded
    :raises OSError: the source or the database failed; the error quotes no values
    """

    template_fields: Sequence[str] = ("source", "conn_id", "table", "account", "history_view")

    def __init__(
        self,
        *,
        source: str,
        conn_id: str,
        table: str = "unsubscribes",
        dataset: str = "current",
        account: str | None = None,
        removed_days: str = "keep",
        history_view: str | None = None,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.conn_id = conn_id
        self.table = table
        self.dataset = dataset
        self.account = account
        self.removed_days = removed_days
        self.history_view = history_view
        self.hook_params = hook_params
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Check the arguments without a template, so that errors show when the DAG is parsed."""
        from mailpartner_provider.hooks.storage import check_destination
        from mailpartner_provider.operators import arguments

        dataset = arguments.read_dataset(self.dataset)
        arguments.read_removed_days(self.removed_days)
        arguments.check_fixed(self.source, check_destination, "source")
        arguments.check_fixed(self.account, arguments.read_account)
        arguments.check_fixed(self.table, arguments.read_table)
        arguments.check_fixed(self.history_view, arguments.read_history_view, dataset)

    def _load(self) -> LoadReport:
        from mailpartner_provider.hooks.warehouse import connection_type, open_warehouse
        from mailpartner_provider.warehouse.dialects import dialect_of
        from mailpartner_provider.warehouse.loading import load
        from mailpartner_provider.warehouse.session import Session

        request = self._request()
        dialect = dialect_of(connection_type(self.conn_id), self.conn_id)
        with open_warehouse(self.conn_id, self.hook_params) as (connection, cursor):
            session = Session(connection, cursor, self.conn_id, dialect.begin, self._stop)
            return load(request, session, dialect, self._stop)

    def _openlineage_name(self, report: LoadReport) -> tuple[str, str] | None:
        from mailpartner_provider.hooks.warehouse import openlineage_name

        return openlineage_name(self.conn_id, self.hook_params, report.table)

    def _request(self) -> LoadRequest:
        """Return the checked arguments, now that templates are rendered."""
        from mailpartner_provider.hooks.storage import open_destination
        from mailpartner_provider.operators import arguments
        from mailpartner_provider.warehouse.request import LoadRequest

        dataset = arguments.read_dataset(self.dataset)
        return LoadRequest(
            source=open_destination(self.source, "source"),
            dataset=dataset,
            table=arguments.read_table(self.table),
            account=arguments.read_account(self.account),
            removed_days=arguments.read_removed_days(self.removed_days),
            history_view=arguments.read_history_view(self.history_view, dataset),
            today=arguments.utc_day(),
        )
