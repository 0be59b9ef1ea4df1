"""The web application of the page: it checks the user's rights and collects what to show.

It awaits the stores, so that a store that does not respond occupies none of Airflow's threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    requires_access_asset,
    requires_access_dag,
)
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from mailpartner_provider.compat import Variable
from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.lake.receipts import (
    ChangesReceipt,
    Receipt,
    SnapshotReceipt,
    read_receipt,
)
from mailpartner_provider.operators.links import run_path
from mailpartner_provider.ui.overview import Overview, landing_of, overview_of, push_of, unread
from mailpartner_provider.ui.page import View, render
from mailpartner_provider.ui.reading import NEWEST, Found, read_all, read_day

VARIABLE = "mailpartner_destinations"
DAYS_IN_BRIEF = 7
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}

#: One page, for everybody whom Airflow allows to see assets.
application = FastAPI(openapi_url=None, dependencies=[Depends(requires_access_asset("GET"))])


class Landed(BaseModel):
    """The landing that a link requests; the link of a task adds the destination and the run."""

    uri: str = ""
    day: date | None = None
    destination: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1


@application.get("/", response_model=None)
async def show(
    request: Request, user: GetUserDep, landed: Annotated[Landed, Query()]
) -> HTMLResponse:
    """Show all destinations, or the landing that a link requests."""
    view = await _view(await run_in_threadpool(_destinations), landed)
    if landed.run_id and view.receipt is None:
        receipt = await run_in_threadpool(_returned, landed, request, user)
        view = view._replace(receipt=receipt, run_path=run_path(landed.model_dump()))
    return HTMLResponse(await run_in_threadpool(render, view), headers=HEADERS)


async def _view(names: list[str] | None, landed: Landed) -> View:
    """Return the content of the page: all destinations, or the one of the requested landing."""
    now = datetime.now(timezone.utc)
    read = await read_all(names or [])
    found = {name: each for name, each in read.items() if not isinstance(each, str)}
    receipt, shown = None, found
    if landed.uri:
        holding = [each for each in found.values() if _holds(each, landed.uri)]
        if holding and landed.day:
            receipt = await read_day(holding[0], landed.day)
        source = receipt.source_uri if isinstance(receipt, ChangesReceipt) else ""
        shown = {
            name: each
            for name, each in found.items()
            if _holds(each, landed.uri) or _holds(each, source)
        }
    changes = {
        each.source_uri: each
        for name in found
        for each in found[name].receipts
        if isinstance(each, ChangesReceipt)
    }
    overviews = [
        overview
        for name, each in shown.items()
        if (overview := _overview(name, each, changes, now))
    ]
    if not (landed.uri and shown):
        overviews += [
            unread(name, each, now) for name, each in read.items() if isinstance(each, str)
        ]
    return View(
        VARIABLE,
        overviews,
        problem="" if names is not None else "It is not a JSON list of destinations",
        requested=landed.uri if landed.day or not shown else "",
        receipt=receipt,
        run_path=run_path(receipt.as_dict()) if receipt else "",
        to_paste=_to_paste(names or [], landed.destination) if landed.uri and not shown else "",
        listed=NEWEST if landed.uri else DAYS_IN_BRIEF,
    )


def _overview(
    name: str, found: Found, changes: Mapping[str, Any], now: datetime
) -> Overview | None:
    """Return the overview of a destination; None for changes, which are shown with snapshots."""
    snapshots = [each for each in found.receipts if isinstance(each, SnapshotReceipt)]
    if not snapshots and found.receipts and not found.pushes:
        return None
    zone = ZoneInfo(snapshots[0].timezone) if snapshots else ZoneInfo("UTC")
    landings = [
        landing_of(each, changes.get(each.uri), run_path(each.as_dict())) for each in snapshots
    ]
    pushes = [push_of(*each, run_path(each.receipt)) for each in found.pushes]
    return overview_of(name, found.uri, landings, zone, now, found.odd, pushes)


def _holds(found: Found, uri: str) -> bool:
    return f"{uri}/".startswith(f"{found.uri}/")


def _to_paste(names: list[str], destination: str) -> str:
    """Return the value of the variable with a destination added; empty if it is already there."""
    is_new = destination and "{{" not in destination and destination not in names
    return json.dumps([*names, destination], ensure_ascii=False) if is_new else ""


def _destinations() -> list[str] | None:
    """Read the variable; return None if it is not a list of texts."""
    try:
        names = json.loads(Variable.get(VARIABLE, default="[]"))
    except ValueError:
        return None
    are_texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return list(dict.fromkeys(names)) if are_texts else None


def _returned(landed: Landed, request: Request, user: Any) -> Receipt | None:
    """Read the receipt that a task returned; None if there is none that this user may see."""
    try:
        requires_access_dag("GET", DagAccessEntity.XCOM, landed.dag_id)(request, user)
    except HTTPException:
        return None

    query = XComModel.get_many(
        run_id=landed.run_id,
        key="return_value",
        task_ids=landed.task_id,
        dag_ids=landed.dag_id,
        map_indexes=landed.map_index,
        limit=1,
    )
    with create_session() as session:
        found = session.scalars(query).first()
        value = found and XComModel.deserialize_value(found)
    try:
        return read_receipt(json.dumps(value).encode(), landed.uri)
    except (ValueError, TypeError, MailPartnerError):
        return None
