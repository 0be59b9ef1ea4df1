"""The operator's arguments, and what it logs while it works."""

from __future__ import annotations

import json
import time

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, listing
from tests.support.days import days_ago
from tests.support.lake import partition_name
from tests.support.landing import land, operator


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"snapshot_date": "22/11/2026"}, "snapshot_date: expected a date as YYYY-MM-DD"),
        ({"snapshot_date": "2026-02-30"}, "snapshot_date: expected a date"),
        ({"snapshot_date": ""}, "snapshot_date: expected a date"),
        ({"snapshot_date": "None"}, "snapshot_date: expected a date"),
        ({"snapshot_date": "20261122"}, "snapshot_date: expected a date"),
        ({"snapshot_date": None}, "snapshot_date: this run has no date"),
        ({"timezone": "Paris"}, "timezone: expected a name such as 'Europe/Paris', got 'Paris'"),
        ({"timezone": "../etc/passwd"}, "timezone: expected a name"),
        ({"timezone": None}, "timezone: expected a name"),
        ({"on_empty": "ignore"}, "on_empty: expected 'write', 'skip' or 'fail', got 'ignore'"),
        ({"partition_by": "day"}, "partition_by: expected 'snapshot' or 'created', got 'day'"),
        ({"email_mode": "md5"}, "email_mode: expected 'plain', 'sha256', 'hmac' or 'drop', got"),
        ({"email_mode": None}, "email_mode: expected 'plain'"),
        ({"max_rejected": -1}, "max_rejected: expected a count"),
        ({"max_rejected": 1.5}, "max_rejected: expected a count"),
        ({"max_rejected": True}, "max_rejected: expected a count"),
        ({"max_shrink": 50}, "max_shrink: expected a share from 0 to 1"),
        ({"max_shrink": -0.1}, "max_shrink: expected a share"),
        ({"max_shrink": "0.5"}, "max_shrink: expected a share"),
        ({"max_shrink": float("nan")}, "max_shrink: expected a share"),
        ({"keep_days": 0}, "keep_days: expected a number of days of 1 or more"),
        ({"keep_days": 1.5}, "keep_days: expected a number"),
        ({"keep_days": True}, "keep_days: expected a number"),
        (
            {"keep_days": 9, "partition_by": "created"},
            "keep_days: only applies to partition_by='snapshot'",
        ),
        ({"destination": ""}, "destination: expected an absolute local folder"),
        ({"destination": "lake/unsubscribes"}, "destination: expected an absolute local folder"),
        ({"destination": "nowhere://lake"}, "destination: nowhere:// cannot be opened here"),
    ],
)
def test_wrong_argument(api, lake, arguments, words):
    """A wrong argument fails at once, before anything is asked, and is named."""
    with pytest.raises(AirflowFailException, match=words):
        land(**{"destination": lake, **arguments})

    assert [] == api.asked
    assert not lake.exists()


def test_constructor_only_remembers():
    """Nothing is checked before templates are rendered."""
    task = UnsubscribeToParquetOperator(
        task_id="land", destination="{{ var.value.lake }}", snapshot_date="{{ ds }}"
    )

    assert ("{{ var.value.lake }}", "{{ ds }}") == (task.destination, task.snapshot_date)


def test_file_uri(api, lake):
    """A destination may be a file:// URI."""
    land(f"file://{lake}")

    assert partition_name() in lake.files()


def test_disk_that_cannot_be_written(api, tmp_path):
    """A place that cannot be written is one line that names it."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match=f"cannot .* {tmp_path}/file/lake.*: Not a directory"):
        land(tmp_path / "file" / "lake")


def test_progress(api, lake, log):
    """While a long list is landed, the log shows how many of the declared records are in, the
    rate, and the time left."""
    records = [
        json.dumps({"id": key, "email": f"p{key}@example.com", "createdAt": None})
        for key in range(160_000)
    ]

    def pieces():
        yield b'{"success": true, "nbData": 160000, "data": ['
        for at in range(0, len(records), 20_000):
            yield (", " * bool(at) + ", ".join(records[at : at + 20_000])).encode()
            time.sleep(0.05)
        yield b"]}"

    api.script(Answer(pieces()))
    task = operator(lake)
    task.progress_seconds = 0

    task.execute({})

    assert "of 160000 declared records (" in log()
    assert "a second, " in log()
    assert " s left" in log()


def test_other_fields_are_reported(api, lake):
    """Fields that the API adds one day are named in the receipt, and kept."""
    api.unsubscribes = [{**THREE[0], "reason": "spam", "list": 4}]

    assert "list,reason" == land(lake)["unknown_fields"]


def test_other_fields_of_odd_names(api, lake):
    """The receipt names no address, and nothing that Airflow's databases cannot hold."""
    odd = {"a\ud800b\x00c": 1, "zoe@example.com": 2}
    api.script(Answer(json.dumps(listing([{**THREE[0], **odd}])).encode()))

    assert "***,a\ufffdb\ufffdc" == land(lake)["unknown_fields"]
    assert odd == json.loads(lake.rows()[0]["extra_fields"])


def test_gap_of_days(api, lake):
    """After a gap of days the receipt still names the snapshot before it."""
    before = (days_ago(40)).isoformat()
    land(lake, snapshot_date=before)

    assert before == land(lake)["previous_snapshot_date"]


def test_foreign_files(api, lake):
    """Foreign files in the destination are left alone."""
    for name in ("README", "dt=2020-01-01/part-00007.parquet", "_receipts/notes.txt", ".keep"):
        (lake / name).parent.mkdir(parents=True, exist_ok=True)
        (lake / name).write_text("mine")
    before = lake.files()

    land(lake)

    assert before.items() <= lake.files().items()
