"""The page "Mail Partner" in the web interface of Airflow 3: what was landed, from receipts only.

Airflow loads this module in all of its processes; heavy modules wait for the first request.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from mailpartner_provider.compat import AirflowPlugin
from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.get_provider_info import HOOK_NAME
from mailpartner_provider.operators.links import PREFIX, page_path

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mailpartner_provider.lake.receipts import Receipt
    from mailpartner_provider.lake.storage import Destination
    from mailpartner_provider.ui.page import View

log = logging.getLogger(__name__)

VARIABLE = "mailpartner_destinations"
DAYS, DAYS_IN_BRIEF = 30, 7
READERS = 8


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answer requests, as an ASGI application that is created at the first of them."""
    await _application()(scope, receive, send)


class MailPartnerPlugin(AirflowPlugin):
    """Adds the page to the menu Browse; Airflow 2 has no place for it."""

    name = "mailpartner"
    fastapi_apps = [{"app": serve, "url_prefix": PREFIX, "name": HOOK_NAME}]
    external_views = [
        {
            "name": HOOK_NAME,
            "href": page_path(),
            "url_route": "mailpartner",
            "destination": "nav",
            "category": "browse",
        }
    ]


@cache
def _application() -> FastAPI:
    """Return an application of one page, for everybody whom Airflow allows to see assets."""
    from airflow.api_fastapi.core_api.security import requires_access_asset
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from mailpartner_provider.ui.page import render

    application = FastAPI(openapi_url=None, dependencies=[Depends(requires_access_asset("GET"))])
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }

    @application.get("/", response_model=None)
    def show(uri: str = "", day: date | None = None) -> HTMLResponse:
        return HTMLResponse(render(_view(uri, day, datetime.now(timezone.utc))), headers=headers)

    return application


class _Read(NamedTuple):
    """A destination and its last receipts."""

    destination: Destination
    receipts: list[Receipt]

    @property
    def uri(self) -> str:
        return self.destination.uri("").rstrip("/")


def _view(uri: str, day: date | None, now: datetime) -> View:
    """Read what the page shows: all destinations, or the one that contains a URI."""
    from mailpartner_provider.lake.history import receipt_of
    from mailpartner_provider.lake.receipts import ChangesReceipt, SnapshotReceipt
    from mailpartner_provider.ui.overview import overview_of
    from mailpartner_provider.ui.page import View

    names = _destinations()
    if names is None:
        return View(VARIABLE, problems={VARIABLE: "It is not a JSON list of destinations"})
    with ThreadPoolExecutor(READERS) as readers:
        reading = {name: readers.submit(_read, name) for name in names}
    problems = {
        name: _reason(name, error) for name in names if (error := reading[name].exception())
    }
    found = {name: reading[name].result() for name in names if name not in problems}
    receipts = [receipt for read in found.values() for receipt in read.receipts]
    changes = {each.source_uri: each for each in receipts if isinstance(each, ChangesReceipt)}
    requested = None
    if uri:
        found = {name: read for name, read in found.items() if f"{uri}/".startswith(f"{read.uri}/")}
        unlisted = {uri: f"It is not listed in the variable {VARIABLE}"}
        problems = {} if found else unlisted | problems
        if day:
            existing = (receipt_of(read.destination, day) for read in found.values())
            requested = next(filter(None, existing), None)
    overviews = [
        overview_of(name, read.uri, snapshots, changes, now)
        for name, read in found.items()
        if (snapshots := [each for each in read.receipts if isinstance(each, SnapshotReceipt)])
        or not read.receipts
    ]
    return View(VARIABLE, overviews, problems, requested, listed=DAYS if uri else DAYS_IN_BRIEF)


def _destinations() -> list[str] | None:
    """Read the variable; None when it is not a list of texts."""
    from mailpartner_provider.compat import Variable

    try:
        names = json.loads(Variable.get(VARIABLE, default="[]"))
    except ValueError:
        return None
    are_texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return list(dict.fromkeys(names)) if are_texts else None


def _read(name: str) -> _Read:
    from mailpartner_provider.hooks.storage import open_destination
    from mailpartner_provider.lake.history import receipts

    destination = open_destination(name)
    return _Read(destination, list(islice(receipts(destination), DAYS)))


def _reason(name: str, error: BaseException) -> str:
    """Return why a destination is not shown; errors of others may contain too much."""
    log.warning("Cannot show %s: %s", name, type(error).__name__)
    known = isinstance(error, MailPartnerError | OSError)
    return str(error) if known else f"It cannot be opened ({type(error).__name__})"
