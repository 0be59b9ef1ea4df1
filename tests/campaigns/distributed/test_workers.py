"""Forty accounts, landed in one bucket by Celery workers, are as if they had landed one by one."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time

import pyarrow.parquet as pq
import pytest

from mailpartner_provider.hooks.connection import key_forms
from tests.campaigns.distributed.accounts import ACCOUNTS, Account, Accounts
from tests.campaigns.distributed.cluster import POOL_SLOTS, Cluster, Run
from tests.support.bucket import Bucket
from tests.support.servers import wait_until

ONE_EACH = {account.name: 1 for account in ACCOUNTS}
SECONDS_FOR_ANOTHER_ONE = 5


@pytest.mark.parametrize("number", [1, 2])
def test_workers(airflow, accounts_api, bucket, number, capsys):
    """However many workers there are, each account is asked once, and lands its own list."""
    with airflow.workers(number):
        run = airflow.end(airflow.begin())

    check(run, airflow, accounts_api, bucket)
    assert ONE_EACH == accounts_api.asked_by
    say(capsys, run, f"workers: {number}")


def test_killed_worker(airflow, accounts_api, bucket, capsys):
    """What a killed worker was landing is landed by another one; and however many slots workers
    have, no more landings ask at once than the pool has slots."""
    with airflow.workers(2) as workers:
        address = airflow.begin()
        wait_until(lambda: len(accounts_api.asked_by) >= len(ACCOUNTS) / 2)
        with accounts_api.held():  # until three landings write, on workers of two slots: on both
            wait_until(lambda: accounts_api.at_once >= POOL_SLOTS <= len(airflow.scratch()))
            time.sleep(SECONDS_FOR_ANOTHER_ONE)
            workers[0].kill()
        run = airflow.end(address)

    check(run, airflow, accounts_api, bucket)
    assert POOL_SLOTS == accounts_api.most_at_once
    again = sum(task["try_number"] - 1 for task in run.landings)
    assert again > 0
    say(capsys, run, f"workers: 2, one killed; landings tried again: {again}")


def check(run: Run, airflow: Cluster, api: Accounts, bucket: Bucket) -> None:
    """Compare what lies in the bucket with the accounts, and find nothing else there."""
    assert "success" == run.state
    assert {"success"} == {task["state"] for task in run.tasks}
    assert len(ACCOUNTS) == len(run.landings)
    assert api.most_at_once <= POOL_SLOTS

    files = dict(bucket)
    for account in ACCOUNTS:
        check_account(account, run.day, files)
    assert {} == files, "nothing else lies there"
    assert [] == bucket.uploads()
    assert [] == airflow.scratch()

    log = airflow.log()
    assert log.count("Landing ") >= len(ACCOUNTS)
    assert not [key for each in ACCOUNTS for key in key_forms(each.key) if key in log]
    assert not re.search(r"\w(@|%40)([a-z]+\.)?example", log)


def check_account(account: Account, day: str, files: dict[str, bytes]) -> None:
    """Compare one account's partition and receipt with its list, and remove both."""
    folder = f"accounts/account={account.name}"
    partition = files.pop(f"{folder}/dt={day}/part-00000.parquet")
    receipt = json.loads(files.pop(f"{folder}/_receipts/dt={day}.json"))
    landed = pq.read_table(io.BytesIO(partition)).to_pydict()

    people = [(each["id"], each["email"]) for each in account.unsubscribes]
    assert people == list(zip(landed["id"], landed["email"], strict=True))
    assert hashlib.sha256(partition).hexdigest() == receipt["sha256"]
    assert len(landed["id"]) == receipt["rows"] == receipt["declared"]
    assert f"mailpartner_{account.name}" == receipt["conn_id"]


def say(capsys: pytest.CaptureFixture[str], run: Run, what: str) -> None:
    """Print how fast it was, whether or not output is captured."""
    rate = 60 * len(ACCOUNTS) / run.seconds
    with capsys.disabled():
        print(f"\n{what}; {len(ACCOUNTS)} landings in {run.seconds:.0f} s, {rate:.0f} a minute")
