"""Looking for erased people in SQL, by the documented expression: whoever was erased is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pyarrow as pa
import pytest

from mailpartner_provider.privacy.normal_form import normal_form
from tests.support.erasing import emails, erased
from tests.support.landing import land
from tests.support.look_up import LETTERS, NORMAL_FORM

#: Ways to write the addresses of three people who were erased.
ADDRESSES = [
    *("zoe@example.com", " ZOE@Example.com\t", "zoe@example.com\r\n", "\u00a0Zoe@example.com"),
    *("ΝΊΚΟΣ@example.com", "νίκος@example.com", "Νίκοσ@example.com\t"),
    *("BJÖRN@example.com", "björn@example.com"),
]
OTHERS = ["anne@example.com", "bjorn@example.com", "zoë@example.com"]


@pytest.fixture
def hashes(api, lake):
    """The hashes that lie in the column ``email``, and those in the list of erased people."""
    people = ["Zoe@example.com", "ΝΊΚΟΣ@EXAMPLE.com", "Björn@example.com", "anne@example.com"]
    api.unsubscribes = [{"id": n, "email": email} for n, email in enumerate(people)]
    land(lake)
    erased(lake, "zoe@example.com", "νίκος@example.com", "björn@EXAMPLE.com")
    lines = map(json.loads, (lake / "_erased.jsonl").read_text().splitlines())
    landed = {email.removeprefix("sha256:") for email in emails(lake).values()}
    return landed, {line["token"] for line in lines}


def by_duckdb(texts: Sequence[str]) -> list[tuple[str, str]]:
    import duckdb

    query = f"SELECT {NORMAL_FORM}, sha256({NORMAL_FORM}) FROM texts"
    return duckdb.from_arrow(pa.table({"address": texts})).query("texts", query).fetchall()


def by_postgres(texts: Sequence[str]) -> list[tuple[str, str]]:
    from tests.support.postgres import Postgres

    form = NORMAL_FORM.replace("address", 'address COLLATE "und-x-icu"')
    numbered = {"number": range(len(texts)), "address": texts}
    with Postgres() as server:  # whose locale is C
        server.ingest("texts", pa.table(numbered))
        return server.query(
            f"SELECT {form}, encode(sha256(convert_to({form}, 'UTF8')), 'hex') FROM texts "
            "ORDER BY number"
        )


def by_spark(texts: Sequence[str]) -> list[tuple[str, str]]:
    from tests.support.spark import spark

    with spark() as session:
        rows = session.createDataFrame([(text,) for text in texts], "address string")
        return [
            tuple(row)
            for row in rows.selectExpr(NORMAL_FORM, f"sha2({NORMAL_FORM}, 256)").collect()
        ]


ENGINES = pytest.mark.parametrize(
    "look_up",
    [
        by_duckdb,
        pytest.param(by_postgres, marks=pytest.mark.engine),
        pytest.param(by_spark, marks=pytest.mark.engine),
    ],
)


@ENGINES
def test_found(hashes, look_up):
    """Every way to write an erased address leads to the hash, in the rows and in the list."""
    texts = [*ADDRESSES, *OTHERS]

    found = look_up(texts)

    for known in hashes:
        assert ADDRESSES == [
            text for text, (_, each) in zip(texts, found, strict=True) if each in known
        ]


@ENGINES
def test_normal_form(look_up):
    """Every engine computes one normal form, of every letter there is, and its SHA-256."""
    forms = [normal_form(text) for text in LETTERS]

    assert [(form, hashlib.sha256(form.encode()).hexdigest()) for form in forms] == look_up(LETTERS)
