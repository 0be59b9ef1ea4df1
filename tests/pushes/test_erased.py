"""People who were pushed, and then erased."""

from __future__ import annotations

import pytest

from tests.support.erasing import TOKEN, ZOE, assert_gone, erased
from tests.support.landing import land
from tests.support.pushing import confirm, journal, opt_outs, push


@pytest.fixture
def pushed(api, lake, tmp_path):
    """A destination with a landing, and with a push of Zoe since; and the file of opt-outs."""
    land(lake)
    source = opt_outs(tmp_path / "given.parquet", [ZOE])
    push(lake, source)
    return lake, source


def test_journal(pushed):
    """Before and after the erasure, a journal has the hash of an erased person, and nothing else
    of them: the same that the erasure leaves in a partition."""
    lake, _ = pushed
    land(lake)
    before = journal(lake)

    erased(lake)

    assert_gone(lake)
    assert [TOKEN] == [line["email_sha256"] for line in journal(lake)]
    assert before == journal(lake)


def test_confirmed(pushed):
    """An erased person is still found in the next list, so that the push is confirmed."""
    lake, _ = pushed
    land(lake)
    erased(lake)

    receipt = confirm(lake)

    assert (1, 0) == (receipt["confirmed"], receipt["missing"])


def test_listed(api, pushed):
    """An erased person who is still in the source and on the list is not pushed again; one who is
    not on the list any more is, because the objection remains."""
    lake, source = pushed
    land(lake)
    erased(lake)

    assert (1, 0) == counts(push(lake, source, run=2))
    api.unsubscribes = api.unsubscribes[:3]
    land(lake)
    assert (0, 1) == counts(push(lake, source, run=3))
    assert ZOE in [each["email"] for each in api.unsubscribes]


def test_listed_beside_another(api, lake, tmp_path):
    """An erased person whose record also names somebody else is not pushed."""
    api.unsubscribes = [{"id": 1, "email": f"{ZOE}, bob@example.com", "createdAt": None}]
    land(lake)
    erased(lake)
    assert "bob@example.com" in lake.rows()[0]["email"]

    assert (1, 0) == counts(push(lake, opt_outs(tmp_path / "given.parquet", [ZOE])))


def counts(receipt) -> tuple[int, int]:
    return receipt["already_listed"], receipt["added"]
