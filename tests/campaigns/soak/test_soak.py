"""A short soak: days, pushes, many faults, some kills; nothing lost, invented or leaked."""

from __future__ import annotations

import random
from collections import Counter

from mailpartner_provider.testing.server import DEFAULT_KEY
from tests.campaigns.soak.__main__ import Tally, compare, compare_people, leaks, soak
from tests.campaigns.soak.account import MARK, Account


def test_short_soak():
    """Forty days and four pushes with faults and kills lose, invent and leak nothing."""
    tally = soak(40, seed=5)

    assert (40, 0, 0, 0) == (tally.landings, tally.lost, tally.invented, tally.leaked), tally
    assert tally.kills > 1
    assert tally.failed > 1
    assert len(tally.faults) > 10
    assert tally.compared > 5000
    assert 4 == tally.pushes
    assert tally.people > 200


def test_counts():
    """A record too few is lost, one too many is invented, one changed is both."""
    tally = Tally()
    rows = [Counter({(1, "a"): 2, (2, "b"): 1}), Counter({(1, "a"): 1, (3, "c"): 2})]

    compare(*rows, tally)

    assert (3, 2, 2) == (tally.compared, tally.lost, tally.invented)


def test_people():
    """Somebody who said no and is not on the list is lost; a second record of somebody, or one of
    somebody who did not say no, is invented."""
    account, tally = Account(random.Random(1)), Tally()
    account.said_no = {"a", "b"}
    for email in ("A ", "a", "c"):
        account.add(email)

    compare_people(account, tally)

    assert (2, 1, 2) == (tally.people, tally.lost, tally.invented)


def test_leaks():
    """The key is found in every form that a URL can give it, and so is an address."""
    texts = [
        DEFAULT_KEY,
        "apiKey=stand%2Fin%2Bkey%3D%C3%BC%25%26%3F%23",
        f"p7{MARK}",
        "p7%40soak.example",
    ]

    assert all(leaks(f"GET {text} HTTP", DEFAULT_KEY) for text in texts)
    assert 0 == leaks("GET apiKey=*** HTTP", DEFAULT_KEY)
