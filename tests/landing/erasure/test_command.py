"""``python -m mailpartner_provider erase``: what it reads, prints and refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from tests.support.api import connect
from tests.support.changes import compare
from tests.support.erasing import (
    KEY,
    NINE,
    PEOPLE,
    ZOE,
    assert_gone,
)
from tests.support.landing import land


class TestCommand:
    def test_report(self, two_days, feed):
        """The command erases from each destination, and prints what it replaced, not whom."""
        compare(two_days, feed)
        command = [sys.executable, "-m", "mailpartner_provider", "erase", two_days, feed]

        done = subprocess.run(command, input=PEOPLE, capture_output=True)

        assert 0 == done.returncode, done.stderr
        first, end = json.JSONDecoder().raw_decode(done.stdout.decode())
        second = json.loads(done.stdout[end:])
        assert (2, 3) == (first["people"], len(first["files"]))
        assert feed.folder.as_uri() + "/" == second["destination"].rstrip("/") + "/"
        assert_gone(two_days)
        assert_gone(feed)
        for secret in ("zoe", "anne"):
            assert secret not in (done.stdout + done.stderr).decode().lower()

    def test_key(self, api, lake, monkeypatch, run):
        """The connection that has the key of hashed addresses is named by argument."""
        connect(monkeypatch, api, extra={"email_hmac_key": KEY})
        api.unsubscribes = NINE
        land(lake, email_mode="hmac")

        code, _, errors = run(lake)
        assert 1 == code
        assert "Not erased: " in errors and "--mailpartner-conn-id" in errors

        code, report, _ = run(lake, "--mailpartner-conn-id", "mailpartner_default")
        assert 0 == code
        assert 1 == len(json.loads(report)["files"])

    def test_byte_order_mark(self, two_days, run):
        """A byte order mark before the first address, as Windows puts it, is no part of it."""
        code, _, errors = run(two_days, people=f"\ufeff{ZOE}\r\n".encode())

        assert 0 == code, errors
        assert_gone(two_days)

    def test_encoding(self, lake, run):
        """Addresses that are not UTF-8 would find nobody: they are refused, and not shown."""
        code, _, errors = run(lake, people="björn@example.com\n".encode("latin-1"))

        assert (2, False) == (code, lake.exists())
        assert "not UTF-8" in errors
        assert "example.com" not in errors

    def test_without_receipts(self, two_days, run):
        """Partitions that have lost their receipts are searched all the same."""
        shutil.rmtree(two_days / "_receipts")

        assert 0 == run(two_days)[0]
        assert_gone(two_days)

    def test_nowhere(self, two_days, run):
        """Where nothing has been landed nobody can be erased: the place is a misspelt one."""
        place = two_days.folder.with_name("unsubscribers")

        code, _, errors = run(place)

        assert (1, False) == (code, place.exists())
        assert f"nothing has been landed in file://{place}" in errors

    def test_missing_connection(self, bucket, run):
        """A storage connection that does not exist stops the command: without it, Airflow would go
        on to another store, anonymously, and find nobody there."""
        code, report, errors = run("s3://aws_defualt@lake/unsubscribes")

        assert (1, "") == (code, report)
        assert "Not erased: destination: the connection aws_defualt does not exist" in errors
        assert "export AIRFLOW_CONN_AWS_DEFUALT" in errors
        assert "Not everything could be read" in errors

    def test_missing_key(self, lake, run):
        """So does a missing connection of the key."""
        code, _, errors = run(lake, "--mailpartner-conn-id", "mailpartner_hats")

        assert 1 == code
        assert "Not erased: connection mailpartner_hats: it does not exist" in errors

    def test_nobody(self, lake, run):
        """Without an address nothing is done."""
        code, _, errors = run(lake, people=b"\n")

        assert (2, False) == (code, lake.exists())
        assert "standard input has no address" in errors
