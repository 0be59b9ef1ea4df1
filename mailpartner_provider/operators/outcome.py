"""The outcome of a task: errors in Airflow's terms, and the receipt for XCom and asset events."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from mailpartner_provider.errors import (
    MailPartnerError,
    NothingToLand,
    RequestRefused,
    WrongArgument,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from mailpartner_provider.lake.receipts import Receipt
    from mailpartner_provider.warehouse.request import LoadReport


@contextmanager
def airflow_errors(log: logging.Logger) -> Iterator[None]:
    """Log our errors, and raise those for which a retry cannot help as Airflow's.

    :raises AirflowFailException: the API refused, or an argument or the connection is wrong
    :raises AirflowSkipException: there is nothing to land
    """
    try:
        yield
    except (RequestRefused, WrongArgument) as error:
        text = f"{error}. Airflow will not retry"
        log.error("%s", text)
        raise AirflowFailException(text) from error
    except NothingToLand as error:
        raise AirflowSkipException(str(error)) from error
    except (MailPartnerError, OSError) as error:
        log.error("%s", error)
        raise


def attach_receipt(
    receipt: Receipt | LoadReport, outlets: Sequence[Any], context: Context
) -> dict[str, Any]:
    """Attach a receipt to the event of every outlet asset; return it for XCom."""
    members = receipt.as_dict()
    for outlet in outlets:
        try:
            event = context["outlet_events"][outlet]
        except (KeyError, TypeError):  # no asset, such as a File for lineage: it has no event
            continue
        event.extra = members
    return members
