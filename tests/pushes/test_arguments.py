"""The arguments of the operators that push, confirm and delete."""

from __future__ import annotations

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import WrongArgument
from mailpartner_provider.operators.confirm_pushes import ConfirmPushesOperator
from mailpartner_provider.operators.delete_unsubscribes import DeleteUnsubscribesOperator
from mailpartner_provider.operators.push_unsubscribes import PushUnsubscribesOperator
from tests.support.landing import land
from tests.support.pushing import opt_outs, run_of

COUNT = "expected a count of 1 or more"
FOLDER = "expected an absolute local folder"
ONE_SOURCE = "source: expected either source, or sql with its sql_conn_id"
SQL = {"source": None, "sql": "SELECT email FROM opt_outs", "sql_conn_id": "crm"}

#: By operator: arguments that are wrong, and what the error says of them.
WRONG = {
    PushUnsubscribesOperator: [
        ({"snapshot": "lake"}, f"snapshot: {FOLDER}"),
        ({"snapshot": None}, f"snapshot: {FOLDER}"),
        ({"destination": ""}, f"destination: {FOLDER}"),
        ({"destination": "sftp://lake/x"}, "destination: sftp:// cannot be opened here"),
        ({"source": None}, ONE_SOURCE),
        ({"sql": "SELECT 1"}, ONE_SOURCE),
        ({**SQL, "source": "/given.parquet"}, ONE_SOURCE),
        ({**SQL, "sql_conn_id": None}, ONE_SOURCE),
        ({**SQL, "sql": ""}, ONE_SOURCE),
        ({"column": ""}, "column: expected the name of a column, got ''"),
        ({"column": None}, "column: expected the name of a column, got None"),
        ({"per_minute": 0}, f"per_minute: {COUNT}, got 0"),
        ({"per_minute": "many"}, f"per_minute: {COUNT}"),
        ({"per_minute": None}, f"per_minute: {COUNT}"),
        ({"max_added": 0}, f"max_added: {COUNT}"),
        ({"max_added": True}, f"max_added: {COUNT}"),
        ({"max_added": "None"}, f"max_added: {COUNT}"),
        ({"dry_run": "perhaps"}, "dry_run: expected True or False"),
        ({"dry_run": 1}, "dry_run: expected True or False"),
        ({"keep_days": 0}, "keep_days: expected a number of days of 1 or more"),
        ({"keep_days": "9"}, "keep_days: expected a number of days of 1 or more"),
    ],
    ConfirmPushesOperator: [
        ({"snapshot": "lake"}, f"snapshot: {FOLDER}"),
        ({"destination": "lake"}, f"destination: {FOLDER}"),
        ({"max_missing": -1}, "max_missing: expected a count of 0 or more, got -1"),
        ({"max_missing": 0.5}, "max_missing: expected a count of 0 or more"),
        ({"max_missing": ""}, "max_missing: expected a count of 0 or more"),
    ],
    DeleteUnsubscribesOperator: [
        ({"ids": "ids.txt"}, "ids: expected a file, by an absolute local path"),
        ({"ids": "/lists/"}, "ids: expected a file"),
        ({"ids": None}, "ids: expected a file"),
        ({"ids": "lists/ids.txt"}, f"ids: {FOLDER}"),
        ({"ids": "nowhere://lists/ids.txt"}, "ids: nowhere:// cannot be opened here"),
        ({"ids": "s3://ids.txt"}, "ids: 's3://' names no bucket"),
        ({"dry_run": None}, "dry_run: expected True or False"),
        ({"max_deleted": 0}, f"max_deleted: {COUNT}"),
        ({"per_minute": 1.5}, f"per_minute: {COUNT}"),
    ],
}
TEMPLATES = {
    PushUnsubscribesOperator: {
        "source": "{{ params.source }}",
        "sql": "{{ params.sql }}",
        "sql_conn_id": "{{ params.crm }}",
        "column": "{% if params.crm %}mail{% endif %}",
        "snapshot": "{{ var.value.lake }}",
        "destination": "{{ var.value.lake }}/pushes",
        "mailpartner_conn_id": "{{ params.account }}",
        "per_minute": "{{ params.per_minute }}",
        "max_added": "{{ params.max_added }}",
        "dry_run": "{{ params.dry_run }}",
    },
    ConfirmPushesOperator: {
        "snapshot": "{{ var.value.lake }}",
        "destination": "{{ var.value.lake }}",
        "mailpartner_conn_id": "{{ params.account }}",
        "max_missing": "{{ params.max_missing }}",
    },
    DeleteUnsubscribesOperator: {
        "ids": "{{ params.ids }}",
        "dry_run": "{{ params.dry_run }}",
        "max_deleted": "{{ params.max_deleted }}",
        "mailpartner_conn_id": "{{ params.account }}",
        "per_minute": "{{ params.per_minute }}",
    },
}


@pytest.fixture
def good(api, lake, tmp_path):
    """A function that returns an operator's arguments with which it does something."""
    land(lake)
    api.asked.clear()
    ids = tmp_path / "ids.txt"
    ids.write_text("19\n")
    places = {"snapshot": str(lake), "destination": str(lake)}
    source = opt_outs(tmp_path / "given.parquet", ["zoe@example.com"])
    arguments = {
        PushUnsubscribesOperator: {**places, "source": str(source)},
        ConfirmPushesOperator: places,
        DeleteUnsubscribesOperator: {"ids": str(ids), "dry_run": False},
    }
    return lambda kind: {"task_id": "task", **arguments[kind]}


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [(kind, wrong, words) for kind, each in WRONG.items() for wrong, words in each],
)
def test_wrong_argument(api, lake, good, kind, wrong, words):
    """A wrong argument that is no template fails while the DAG is parsed, and is named; one that a
    template gave fails at once, before anything is asked or written."""
    with pytest.raises(WrongArgument, match=words):
        kind(**good(kind) | wrong)

    before, rendered = lake.files(), kind(**good(kind))
    vars(rendered).update(wrong)
    with pytest.raises(AirflowFailException, match=words):
        rendered.execute(run_of())

    assert [] == api.asked
    assert before == lake.files()


@pytest.mark.parametrize("kind", TEMPLATES)
def test_templates(kind):
    """Nothing that is a template is checked before it is rendered."""
    templates = TEMPLATES[kind]

    task = kind(task_id="task", **templates)

    assert templates == {name: getattr(task, name) for name in templates}
    assert set(templates) == set(task.template_fields)


@pytest.mark.parametrize("argument", ["source", "sql", "sql_conn_id"])
def test_one_template(argument):
    """Whether there is one source is not checked while one of its arguments is a template."""
    both = {"source": "/given", "sql": "SELECT email FROM opt_outs", "sql_conn_id": "crm"}

    PushUnsubscribesOperator(
        task_id="task", snapshot="/lake", destination="/lake", **both | {argument: "{{ x }}"}
    )
