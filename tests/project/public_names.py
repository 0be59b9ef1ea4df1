"""Every public name of the package, with its types: what users may rely on.

What this file imports is the list of public names; everything else is internal. ``make check``
checks the types. ``test_public_names.py`` beside it runs these functions on this checkout, and
``make wheel`` runs them on the wheel, which has neither pytest nor the tests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import requests
from typing_extensions import assert_type

from mailpartner_provider.errors import (
    BadData,
    Conflict,
    LandingStopped,
    MailPartnerError,
    NothingToLand,
    RequestFailed,
    RequestRefused,
    UnknownPartition,
    WrongArgument,
)
from mailpartner_provider.get_provider_info import get_provider_info
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.operators.confirm_pushes import ConfirmPushesOperator
from mailpartner_provider.operators.delete_unsubscribes import DeleteUnsubscribesOperator
from mailpartner_provider.operators.links import LandedPartitionLink
from mailpartner_provider.operators.push_unsubscribes import PushUnsubscribesOperator
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from mailpartner_provider.operators.unsubscribe_to_iceberg import UnsubscribeToIcebergOperator
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.operators.unsubscribe_to_sql import UnsubscribeToSqlOperator
from mailpartner_provider.testing.answers import (
    Answer,
    Ending,
    Framing,
    account,
    done,
    refusal,
    unsubscribe_list,
)
from mailpartner_provider.testing.faults import (
    FAULTS,
    SHAPES,
    Fault,
    bomb,
    combined,
    empty,
    endless,
    failing,
    gzipped,
    html,
    in_pieces,
    late,
    miscounted,
    redirecting,
    refusing,
    reset,
    slow,
    stalled,
    truncated,
    xml,
)
from mailpartner_provider.testing.limits import RateLimit
from mailpartner_provider.testing.lists import MadeUpList, make_unsubscribes
from mailpartner_provider.testing.server import DEFAULT_KEY, StandIn

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

#: Each is run by ``python -m``.
COMMANDS = ("mailpartner_provider", "mailpartner_provider.testing")

_FIRST, _LAST = datetime.fromisoformat("2016-01-01"), datetime.fromisoformat("2026-11-01")


def catch(error: MailPartnerError) -> type[MailPartnerError]:
    """Use an error: its kind, and what it carries."""
    assert_type(error.conn_id, str | None)
    assert_type(error.call, str | None)
    assert_type(error.code, int | None)
    assert_type(error.status, int | None)
    assert_type(error.day, date | None)
    kinds: list[type[MailPartnerError]] = [
        RequestRefused,
        WrongArgument,
        RequestFailed,
        BadData,
        NothingToLand,
        Conflict,
        UnknownPartition,
        LandingStopped,
    ]
    return next(kind for kind in kinds if isinstance(error, kind))


def describe() -> dict[str, Any]:
    """Return what Airflow is told about the provider."""
    return assert_type(get_provider_info(), dict[str, Any])


def call(hook: MailPartnerHook) -> tuple[int, int]:
    """Call each method of the hook; return the rows of both ways to read the list."""
    assert_type(hook.mailpartner_conn_id, str)
    assert_type(hook.get_conn().get("me"), requests.Response)
    assert_type(hook.test_connection(), tuple[bool, str])
    credits = hook.get_credits()
    assert_type(credits.credit_mail, int | None)
    assert_type(credits.balance, Decimal | None)
    assert_type(credits.currency, str | None)
    batches = assert_type(
        hook.unsubscribe_batches(timezone="Europe/Paris"), Iterator[pa.RecordBatch]
    )
    frame = assert_type(hook.get_df(timezone="Europe/Paris"), pd.DataFrame)
    return sum(batch.num_rows for batch in batches), len(frame)


def change(hook: MailPartnerHook) -> tuple[str, bool]:
    """Add an address to the list, and delete it again; return both outcomes."""
    outcome = hook.add_unsubscribe("zoe@example.com")
    assert_type(outcome.id, int | None)
    assert outcome.id is not None
    return outcome.status, assert_type(hook.delete_unsubscribe(outcome.id), bool)


def make_hook() -> MailPartnerHook:
    """Make a hook with all its arguments."""
    return MailPartnerHook(mailpartner_conn_id="mailpartner_default")


def make_landing() -> UnsubscribeToParquetOperator:
    """Make the operator that lands a list, with all its arguments."""
    operator = UnsubscribeToParquetOperator(
        task_id="land_unsubscribes",
        destination="s3://aws_default@lake/mailpartner/unsubscribes",
        snapshot_date="{{ ds }}",
        mailpartner_conn_id="mailpartner_default",
        timezone="Europe/Paris",
        partition_by="snapshot",
        email_mode="plain",
        on_empty="write",
        max_rejected=0,
        max_shrink=0.5,
        keep_days=30,
    )
    assert_type(operator.destination, str)
    assert_type(operator.snapshot_date, str | None)
    assert_type(operator.mailpartner_conn_id, str)
    assert_type(operator.timezone, str)
    assert_type(operator.partition_by, str)
    assert_type(operator.email_mode, str)
    assert_type(operator.on_empty, str)
    assert_type(operator.max_rejected, int | str)
    assert_type(operator.max_shrink, float | str)
    assert_type(operator.keep_days, int | None)
    return operator


def make_changes() -> UnsubscribeChangesOperator:
    """Make the operator that lands the changes of a list, with all its arguments."""
    operator = UnsubscribeChangesOperator(
        task_id="land_changes",
        source="s3://aws_default@lake/mailpartner/unsubscribes",
        destination="s3://aws_default@lake/mailpartner/changes",
        snapshot_date="{{ ds }}",
        timezone="Europe/Paris",
        max_removed=0.5,
    )
    assert_type(operator.source, str)
    assert_type(operator.destination, str)
    assert_type(operator.snapshot_date, str | None)
    assert_type(operator.timezone, str)
    assert_type(operator.max_removed, float | str)
    return operator


def make_push() -> PushUnsubscribesOperator:
    """Make the operator that pushes opt-outs, with all its arguments."""
    operator = PushUnsubscribesOperator(
        task_id="push_unsubscribes",
        snapshot="s3://aws_default@lake/mailpartner/unsubscribes",
        destination="s3://aws_default@lake/mailpartner/unsubscribes",
        source=None,
        sql="SELECT email FROM opt_outs",
        sql_conn_id="postgres_default",
        column="email",
        mailpartner_conn_id="mailpartner_default",
        per_minute=1000,
        max_added=10_000,
        dry_run=False,
        keep_days=400,
    )
    assert_type(operator.snapshot, str)
    assert_type(operator.destination, str)
    assert_type(operator.source, str | None)
    assert_type(operator.sql, str | None)
    assert_type(operator.sql_conn_id, str | None)
    assert_type(operator.column, str)
    assert_type(operator.mailpartner_conn_id, str)
    assert_type(operator.per_minute, int | str)
    assert_type(operator.max_added, int | str)
    assert_type(operator.dry_run, bool | str)
    assert_type(operator.keep_days, int | None)
    return operator


def make_confirmation() -> ConfirmPushesOperator:
    """Make the operator that confirms pushes, with all its arguments."""
    operator = ConfirmPushesOperator(
        task_id="confirm_pushes",
        snapshot="s3://aws_default@lake/mailpartner/unsubscribes",
        destination="s3://aws_default@lake/mailpartner/unsubscribes",
        mailpartner_conn_id="mailpartner_default",
        max_missing=0,
    )
    assert_type(operator.snapshot, str)
    assert_type(operator.destination, str)
    assert_type(operator.mailpartner_conn_id, str)
    assert_type(operator.max_missing, int | str)
    return operator


def make_deletion() -> DeleteUnsubscribesOperator:
    """Make the operator that deletes records, with all its arguments."""
    operator = DeleteUnsubscribesOperator(
        task_id="delete_unsubscribes",
        ids="s3://aws_default@lake/mailpartner/opted_in_again.txt",
        dry_run=True,
        max_deleted=100,
        mailpartner_conn_id="mailpartner_default",
        per_minute=1000,
    )
    assert_type(operator.ids, str)
    assert_type(operator.dry_run, bool | str)
    assert_type(operator.max_deleted, int | str)
    assert_type(operator.mailpartner_conn_id, str)
    assert_type(operator.per_minute, int | str)
    return operator


def make_load() -> UnsubscribeToSqlOperator:
    """Make the operator that loads what was landed into a table, with all its arguments."""
    operator = UnsubscribeToSqlOperator(
        task_id="load",
        source="s3://aws_default@lake/mailpartner/changes",
        conn_id="postgres_default",
        table="mailpartner.unsubscribe_changes",
        dataset="changes",
        account="hats",
        removed_days="keep",
        history_view="mailpartner.suppressions",
        hook_params={"options": "-c statement_timeout=600000"},
    )
    assert_type(operator.source, str)
    assert_type(operator.conn_id, str)
    assert_type(operator.table, str)
    assert_type(operator.dataset, str)
    assert_type(operator.account, str | None)
    assert_type(operator.removed_days, str)
    assert_type(operator.history_view, str | None)
    assert_type(operator.hook_params, Mapping[str, Any] | None)
    return operator


def make_load_into_iceberg() -> UnsubscribeToIcebergOperator:
    """Make the operator that loads an Iceberg table, with all its arguments."""
    operator = UnsubscribeToIcebergOperator(
        task_id="load",
        source="s3://aws_default@lake/mailpartner/unsubscribes",
        table="mailpartner.unsubscribes",
        iceberg_conn_id="iceberg_default",
        account="hats",
        removed_days="keep",
    )
    assert_type(operator.source, str)
    assert_type(operator.table, str)
    assert_type(operator.iceberg_conn_id, str)
    assert_type(operator.account, str | None)
    assert_type(operator.removed_days, str)
    return operator


def execute(
    operator: UnsubscribeToParquetOperator
    | UnsubscribeChangesOperator
    | UnsubscribeToSqlOperator
    | UnsubscribeToIcebergOperator
    | PushUnsubscribesOperator
    | ConfirmPushesOperator
    | DeleteUnsubscribesOperator,
    context: Context,
) -> dict[str, Any]:
    """Execute an operator; return its receipt or report."""
    return assert_type(operator.execute(context), dict[str, Any])


def link(operator: BaseOperator, ti_key: object) -> str:
    """Return the link from a task to what it landed."""
    assert_type(LandedPartitionLink.name, str)
    return assert_type(LandedPartitionLink().get_link(operator, ti_key=ti_key), str)


def make_answers() -> list[Answer]:
    """Make an answer of each kind."""
    framing: Framing = "chunked"
    ending: Ending = "cut"
    records = assert_type(
        make_unsubscribes(3, first=_FIRST, last=_LAST, seed=19), Iterator[dict[str, Any]]
    )
    return [
        Answer(body=b"{}", status=200, headers={}, framing=framing, ending=ending, delay=0.0),
        account(),
        done(stopId=19),
        refusal(code=10, message="Clé API incorrecte", status=403),
        unsubscribe_list(list(records)),
    ]


def make_faults() -> list[Fault]:
    """Make a fault of each kind."""
    shape = next(iter(SHAPES))
    return [
        *(make() for make in FAULTS.values()),
        bomb(),
        combined(html(status=200), gzipped(trailer=False)),
        empty(status=204),
        endless(),
        failing(status=503, retry_after=1.0),
        in_pieces(size=1),
        late(seconds=1.0),
        miscounted(by=1),
        redirecting(location="https://elsewhere.example/v1", status=302),
        refusing(code=10, message="Clé API incorrecte", status=403, shape=shape),
        reset(after=0.5),
        slow(seconds=0.01, size=64),
        stalled(after=0.5, seconds=1.0),
        truncated(after=0.5, framing="close"),
        xml(),
    ]


def make_stand_in() -> StandIn:
    """Make a stand-in for the API, with a made-up list that is then changed."""
    people = MadeUpList(count=3, first=_FIRST, last=_LAST, seed=19)
    limit = RateLimit(per_minute=2000, clock=time.monotonic)
    assert_type(limit.asked_at, list[float])
    api = StandIn(people, key=DEFAULT_KEY, port=0, limit=limit, delete_method="GET")
    record = assert_type(
        api.add("anne@example.com", created_at="2026-11-01 12:00:00"), dict[str, Any]
    )
    api.remove(record["id"])
    api.script(*make_answers(), *make_faults())
    api.behave()
    assert_type(api.url, str)
    assert_type(api.connection, str)
    assert_type(api.key, str)
    assert_type(api.asked, list[str])
    return api


def fixture() -> object:
    """Return the fixture that pytest, which only tests need, finds by itself."""
    from mailpartner_provider.testing.plugin import mailpartner_api

    return mailpartner_api
