"""No key and no address anywhere: every failure, as a task of a real run, then one search."""

from __future__ import annotations

import base64
import html
import json
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import DEFAULT_KEY
from tests import HOME
from tests.airflow.conftest import NOON, dag_of
from tests.airflow.runs import run_by_hand
from tests.bucket import SECRET
from tests.conftest import at_once, connect, files, listing, operator
from tests.test_bad_input import ANSWERS

MARK = "zq7marker"
ADDRESS = f"{MARK}@secret.example"
KEYS = [DEFAULT_KEY, 'sp ace%"quo\'te"<é☃>\\']

pytestmark = pytest.mark.usefixtures("database")


def written(secret: str) -> set[str]:
    """Write a secret in every way in which it may come to light."""
    texts = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    texts |= {quote(text, safe="") for text in texts}
    texts |= {html.escape(secret), html.escape(secret, quote=False)}
    texts |= {json.dumps(text)[1:-1] for text in texts} | {repr(secret)[1:-1], ascii(secret)[1:-1]}
    texts |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in texts}
    raw = secret.encode()
    return texts | {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}


def found(secrets: list[str], places: dict[str, bytes]) -> list[str]:
    """Say where a marked address or one of the secrets is to be seen."""
    forms = {form.encode() for secret in secrets for form in written(secret)}
    seen = [(place, form) for place, text in places.items() for form in forms if form in text]
    marked = re.compile(rb".{0,60}" + MARK.encode() + rb".{0,60}", re.IGNORECASE | re.DOTALL)
    seen += [(place, mark[0]) for place, text in places.items() if (mark := marked.search(text))]
    return [f"{place}: {text!r}" for place, text in seen]


def rendered(error: BaseException | None) -> Iterator[str]:
    """Show an error in every way, with the variables of its frames, and all errors behind it."""
    while error:
        yield f"{error} {error!r} {vars(error)}"
        yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__cause__ or error.__context__


RECORD = {"id": 1, "email": ADDRESS, "createdAt": ADDRESS, f"{ADDRESS} ": {ADDRESS: [ADDRESS]}}
LIST = listing([RECORD, *({**RECORD, "id": n} for n in range(2, 50))])
GOOD = json.dumps(LIST).encode()


def ours(step):
    if isinstance(step, Answer) and isinstance(step.body, bytes):
        step.headers["Set-Cookie"] = ADDRESS
    return step


FAILURES: dict[str, tuple] = {
    "nothing": ({},),
    **{f"bad answer: {what}": ({}, answer) for what, (answer, *_) in ANSWERS.items()},
    **{
        f"refusing {shape}": (
            {},
            at_once(
                {
                    "success": False,
                    **faults.SHAPES[shape](10, ADDRESS + " " + " ".join(written(DEFAULT_KEY))),
                },
                403,
            ),
        )
        for shape in faults.SHAPES
    },
    "kind": ({}, at_once(b"x", **{"Content-Type": ADDRESS})),
    "kind2": ({}, at_once(b"x", **{"Content-Type": quote(DEFAULT_KEY)})),
    "reset": ({}, faults.reset(0.5)),
    "cut": ({}, faults.truncated(0.5)),
    "cut2": ({}, faults.truncated(0.5, "chunked")),
    "cut3": ({}, faults.truncated(0.5, "close")),
    "gz": ({}, faults.gzipped(trailer=False)),
    "redirect": (
        {},
        at_once(b"", 302, Location=f"/v1/{ADDRESS}?mail={ADDRESS}&apiKey={quote(DEFAULT_KEY)}"),
    ),
    "redirect2": (
        {},
        at_once(b"", 302, Location=f"http://{ADDRESS}/?mail={ADDRESS}&apiKey={quote(DEFAULT_KEY)}"),
    ),
    "header": ({}, at_once(b"", 503, **{"X": f"1\r\n{ADDRESS}\r\n\u00e9"})),
    "rejected": ({}, at_once(listing([{"email": ADDRESS}, {ADDRESS: 1}]))),
    "not json": (
        {},
        at_once(
            GOOD[:-2] + b",",
        ),
    ),
    "not json2": ({}, at_once(GOOD.replace(b"[{", b"[x{"))),
    "host": ({"host": f"https://{ADDRESS}/"},),
}


@pytest.fixture
def api(mailpartner_api):
    mailpartner_api.unsubscribes = LIST["data"]
    return mailpartner_api


@pytest.mark.parametrize("what", FAILURES)
def test_failure(api, lake, log, monkeypatch, what):
    """x."""
    from mailpartner_provider.hooks import mailpartner
    import tenacity

    monkeypatch.setattr(mailpartner, "_backoff", tenacity.wait_none())
    fields, *script = FAILURES[what]
    connect(monkeypatch, api, **fields)
    api.script(*script * 4)
    errors = []
    task = operator(
        lake,
        snapshot_date=None,
        on_failure_callback=lambda context: errors.append("".join(rendered(context["exception"]))),
    )
    run = run_by_hand(dag_of(task), NOON)
    places = {"exception": "".join(errors).encode(), "log": log().encode(), **files(HOME)}
    places = {k: v for k, v in places.items() if k != "airflow.cfg"}
    hits = found([api.key, SECRET], places)
    if hits:
        print("HITS", what, run.states, *hits, sep="\n   ")
        if errors:
            Path("/tmp/secrecy-err.txt").write_text(errors[0])
    assert not hits
