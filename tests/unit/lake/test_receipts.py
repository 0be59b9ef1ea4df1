"""A receipt comes back as it was written, and what is no receipt is not taken for one."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider import __version__
from mailpartner_provider.errors import BadData
from mailpartner_provider.lake.receipts import (
    SnapshotReceipt,
    read_receipt,
)
from tests.support.receipts import CHANGES, RECEIPT

URI = "file:///lake/_receipts/dt=2026-11-22.json"

MEMBERS = {
    *("receipt_version", "dataset", "snapshot_date", "status", "partition_by", "uri", "rows"),
    *("declared", "received", "rejected", "after_cutoff", "null_created_at", "duplicate_ids"),
    *("unknown_fields", "min_created_at", "max_created_at", "bytes", "sha256", "changed"),
    *("observed_at", "duration_seconds", "previous_snapshot_date", "previous_rows"),
    *("email_mode", "timezone", "provider_version", "conn_id", "dag_id", "task_id", "run_id"),
    *("partitions_written", "partitions_kept", "partitions_removed", "etag", "map_index"),
}


def text(**members) -> bytes:
    return json.dumps(RECEIPT.as_dict() | members).encode()


def test_members():
    """A receipt has the members of the contract, and no others."""
    assert MEMBERS == RECEIPT.as_dict().keys()
    assert (1, "mailpartner.unsubscribes", "snapshot", "plain", __version__) == (
        RECEIPT.receipt_version,
        RECEIPT.dataset,
        RECEIPT.partition_by,
        RECEIPT.email_mode,
        RECEIPT.provider_version,
    )


@given(
    snapshot_date=st.dates().map(str),
    status=st.sampled_from(["live", "backdated"]),
    rows=st.integers(0),
    declared=st.none() | st.integers(0),
    unknown_fields=st.text(),
    uri=st.text(),
    changed=st.booleans(),
    run_id=st.none() | st.text(),
)
def test_round_trip(**members):
    """A receipt is read back as it was written, in ASCII."""
    receipt = replace(RECEIPT, **members)

    assert receipt == read_receipt(receipt.to_json().encode("ascii"), URI)


def test_file():
    """The file is JSON for people too: a member a line, and a line break at the end."""
    written = RECEIPT.to_json()

    assert RECEIPT.as_dict() == json.loads(written)
    assert len(MEMBERS) + 2 == len(written.splitlines())
    assert written.endswith("}\n")


def test_later_version():
    """Members that a later version added are left out."""
    assert RECEIPT == read_receipt(text(shoe_size=44), URI)


@pytest.mark.parametrize("field", fields(SnapshotReceipt), ids=lambda field: field.name)
def test_lacking(field):
    """A receipt may lack what later versions added, and nothing else."""
    members = {key: value for key, value in RECEIPT.as_dict().items() if key != field.name}

    if field.name == "dataset" or field.default is MISSING:
        with pytest.raises(ValueError, match="not a receipt"):
            read_receipt(json.dumps(members).encode(), URI)
    else:
        expected = replace(RECEIPT, **{field.name: field.default})
        assert expected == read_receipt(json.dumps(members).encode(), URI)


def test_of_the_future():
    """A receipt of a higher version is never ignored: the error says who wrote it."""
    with pytest.raises(BadData, match=r"was written by mailpartner-provider 9\.1: upgrade"):
        read_receipt(text(receipt_version=2, provider_version="9.1"), URI)


@pytest.mark.parametrize(
    "unreadable",
    [
        b"", b" ", b"{", b"{}", b"[]", b"null", b"5", b'"receipt"', b"true", b"[" * 100_000,
        text()[:-1], text()[:100], text() + b"x", b"\xff" + text(),
        text().replace(b"live", b"\xff"), text().decode().encode("utf-16")[:-1], b"<html>",
        b"\0" * 100, b'{"rows": ' + b"9" * 5000 + b"}",
        text(snapshot_date=None), text(snapshot_date=20261122), text(snapshot_date="soon"),
        text(snapshot_date="2026-02-30"), text(snapshot_date=""), text(snapshot_date=[]),
        text(status="fresh"), text(status=None), text(status=["live"]), text(status=""),
        text(rows=None), text(rows="3"), text(rows=3.0), text(rows=True), text(rows=-1),
        text(rows=[3]), text(rows=float("nan")), text(rows={}),
        text(observed_at=None), text(observed_at=5), text(observed_at="soon"),
        text(observed_at="2026-11-22"), text(observed_at="2026-11-22T04:00:00"),
    ],
    ids=lambda unreadable: repr(unreadable[:20]),
)  # fmt: skip
def test_unreadable(unreadable):
    """What is no receipt is a ValueError, and nothing else."""
    with pytest.raises(ValueError):
        read_receipt(unreadable, URI)


def test_of_either_kind():
    """A receipt is read by its dataset."""
    assert CHANGES == read_receipt(CHANGES.to_json().encode(), URI)
    assert RECEIPT == read_receipt(RECEIPT.to_json().encode(), URI)
    with pytest.raises(ValueError):
        read_receipt(text(dataset="mailpartner.bounces"), URI)
