"""The operator's arguments, and what it logs while it works."""

from __future__ import annotations

import json
import time

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, WrongArgument
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, listing
from tests.support.days import days_ago, today
from tests.support.lake import partition_name
from tests.support.landing import land, operator


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"snapshot_date": "22/11/2026"}, "snapshot_date: expected a date as YYYY-MM-DD"),
        ({"snapshot_date": "2026-02-30"}, "snapshot_date: expected a date"),
        (
            {"snapshot_date": ""},
            "snapshot_date: got no date \\(''\\): remove it to land the run's own",
        ),
        ({"snapshot_date": "None"}, "snapshot_date: got no date \\('None'\\): remove it"),
        ({"snapshot_date": "20261122"}, "snapshot_date: expected a date"),
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
        ({"max_shrink": "half"}, "max_shrink: expected a share"),
        ({"max_shrink": ""}, "max_shrink: expected a share"),
        ({"max_shrink": "None"}, "max_shrink: expected a share from 0 to 1 \\(1: no limit\\)"),
        ({"max_shrink": True}, "max_shrink: expected a share"),
        ({"max_rejected": ""}, "max_rejected: expected a count"),
        ({"max_rejected": "None"}, "max_rejected: expected a count"),
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
    """A wrong argument that is no template fails while the DAG is parsed, and is named; one that a
    template gave fails at once, before anything is asked."""
    with pytest.raises(WrongArgument, match=words):
        operator(**{"destination": lake, **arguments})

    rendered = operator(lake)
    vars(rendered).update(arguments)
    with pytest.raises(AirflowFailException, match=words):
        rendered.execute({})

    assert [] == api.asked
    assert not lake.exists()


def test_no_day(lake):
    """A run that has no date at all is told to name one."""
    with pytest.raises(AirflowFailException, match="snapshot_date: this run has no date"):
        operator(lake, snapshot_date=None).execute({})


def test_templates():
    """Nothing that is a template is checked before it is rendered."""
    templates = {
        "destination": "{{ var.value.lake }}",
        "snapshot_date": "{{ ds }}",
        "mailpartner_conn_id": "{{ params.account }}",
        "max_rejected": "{{ params.max_rejected }}",
        "max_shrink": "{% if params.once %}1{% else %}0.5{% endif %}",
    }

    task = UnsubscribeToParquetOperator(task_id="land", **templates)

    assert templates == {name: getattr(task, name) for name in templates}
    assert set(templates) == set(task.template_fields)


@pytest.mark.parametrize(
    ("max_shrink", "max_rejected"), [("1", " 1 "), ("0.75\n", "1"), (0.75, 1), (None, 1)]
)
def test_limits_of_templates(api, lake, max_shrink, max_rejected):
    """The limits may be texts, as templates give them."""
    land(lake)
    api.unsubscribes = [THREE[0], {"id": 4}]

    receipt = land(lake, max_shrink=max_shrink, max_rejected=max_rejected)

    assert (1, 1) == (receipt["rows"], receipt["rejected"])


@pytest.mark.parametrize(("max_shrink", "max_rejected"), [("0.5", "1"), ("1", "0")])
def test_exceeded_limits_of_templates(api, lake, max_shrink, max_rejected):
    """A limit that is a text fails the task as one that is a number."""
    land(lake)
    api.unsubscribes = [THREE[0], {"id": 4}]

    with pytest.raises(BadData, match="max_shrink=0.5|max_rejected"):
        land(lake, max_shrink=max_shrink, max_rejected=max_rejected)


def test_guard_without_a_share(api, lake):
    """A template that gives nothing, natively, does not turn the guard off."""
    task = operator(lake, max_shrink="{{ params.max_shrink }}")
    task.max_shrink = None

    with pytest.raises(AirflowFailException, match="max_shrink: expected a share .*, got None"):
        task.execute({})


@pytest.mark.parametrize("missing", ["aws_default", "mailpartner_default"])
def test_missing_connection(api, bucket, monkeypatch, missing):
    """A connection that does not exist stops the task at once, is named, and nothing is asked."""
    monkeypatch.delenv(f"AIRFLOW_CONN_{missing.upper()}")

    with pytest.raises(
        AirflowFailException, match=f"{missing}:? .*does not exist: add it in Admin"
    ):
        land("s3://aws_default@lake/unsubscribes")

    assert ([], {}) == (api.asked, dict(bucket))


def test_quarantine_warning(api, lake, log):
    """Quarantined records are a warning, with their count and where they are."""
    api.unsubscribes = [*THREE, {"id": 4}]

    land(lake, max_rejected=1)

    line = next(line for line in log().splitlines() if "Quarantined 1" in line)
    assert "warning" in line.lower()
    assert "1 record without a usable id or e-mail, of 4: report them" in line
    assert f"_rejected/dt={today()}.jsonl" in line


@pytest.mark.parametrize(
    ("people", "words"), [(1, "Landed 1 unsubscribe (live"), (3, "Landed 3 unsubscribes (live")]
)
def test_counted(api, lake, log, people, words):
    """One unsubscribe is no plural."""
    api.unsubscribes = THREE[:people]

    land(lake)

    assert words in log()


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
