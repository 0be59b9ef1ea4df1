"""Erasing people whose addresses are written in another way, or stand in a longer text."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.privacy.erasure import erase
from tests.support.erasing import NAMED, NOW, TOKEN, emails, erased, report_of
from tests.support.landing import land

#: What the API holds, and what is left of it when Zoe, Émile, Νίκος and x@bücher.example go.
WRITTEN = {
    "Zoe <zoe@example.com>": NAMED,
    "mailto:zoe@example.com": NAMED,
    "zoe@example.com.": NAMED,
    "zo\u200be@example.com": NAMED,
    "anne@example.com;zoe@example.com": f"anne@example.com;{NAMED}",
    "E\u0301MILE@example.com": "sha256:",
    "ΝΊΚΟΣ@example.com": "sha256:",
    "x@XN--BCHER-KVA.example": "sha256:",
    "anne@example.com": "anne@example.com",
    "Anne <anne.zoe@example.com>": "Anne <anne.zoe@example.com>",
}
PEOPLE = ["zoe@example.com", "\u00e9mile@example.com", "νίκος@example.com", "x@bücher.example"]


@pytest.fixture
def written(api, lake):
    """A lake with everybody in it."""
    api.unsubscribes = [
        {"id": number, "email": email, "createdAt": None} for number, email in enumerate(WRITTEN)
    ]
    land(lake)
    return lake


def assert_redacted(lake):
    """Everybody has gone who is to go, and nobody else."""
    for found, expected in zip(emails(lake).values(), WRITTEN.values(), strict=True):
        assert found.startswith(expected) if expected == "sha256:" else found == expected


def test_erased(written):
    """However an address is written, the hash takes its place; the addresses of others stay."""
    report = report_of(written, *PEOPLE)

    assert_redacted(written)
    assert [8] == [file.records for file in report.files]
    assert [1, 1, 1, 1] == report.found_in


def test_again(written):
    """A second time nothing is replaced, and everybody is still reported, by hash."""
    erased(written, *PEOPLE)

    report = report_of(written, *PEOPLE, "nobody@example.com")

    assert [] == report.files
    assert [1, 1, 1, 1, 0] == report.found_in


def test_landed_again(written):
    """A later landing writes the same bytes."""
    erased(written, *PEOPLE)

    receipt = land(written)

    assert not receipt["changed"]
    assert_redacted(written)


def test_erased_by_an_older_version(written):
    """A list without fingerprints, with the hashes that older versions made, counts as before."""
    line = {"token": TOKEN, "erased_at": "2026-01-02T03:04:05Z"}
    (written / "_erased.jsonl").write_text(json.dumps(line) + "\n")

    land(written)

    assert 5 == sum(NAMED in email for email in emails(written).values())
    erase(LocalFolder(written.folder), PEOPLE, [], NOW + timedelta(days=1))
    first, *others = map(json.loads, (written / "_erased.jsonl").read_text().splitlines())
    assert {**line, "fingerprint": 5_000} == {**first, "fingerprint": 5_000}
    assert all("fingerprint" in each for each in [first, *others])


@pytest.mark.parametrize("fingerprint", [-1, 65536, 1.5, True, "x", []])
def test_damaged_fingerprint(written, fingerprint):
    """A fingerprint that is none would hide a person: the list is damaged."""
    line = {"token": TOKEN, "erased_at": "2026-01-02T03:04:05Z", "fingerprint": fingerprint}
    (written / "_erased.jsonl").write_text(json.dumps(line) + "\n")

    with pytest.raises(Exception, match=r"_erased\.jsonl is damaged"):
        land(written)
