"""Records are deleted by explicit ids only, and by default not at all."""

from __future__ import annotations

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.operators.delete_unsubscribes import DeleteUnsubscribesOperator
from tests.support.api import at_once
from tests.support.pushing import AT_ONCE

DELETE = "/v1/unsubscribe/delete"


@pytest.fixture
def ids(tmp_path):
    """A file of ids: two of the list, one of them twice, and one that is not there."""
    file = tmp_path / "ids.txt"
    file.write_text("19\n\n 20 \n19\r\n7\n")
    return file


def delete(ids, **arguments):
    arguments.setdefault("per_minute", AT_ONCE)
    task = DeleteUnsubscribesOperator(task_id="delete", ids=str(ids), **arguments)
    return task.execute({})


def counts(receipt) -> tuple[int, ...]:
    return tuple(receipt[name] for name in ("given", "deleted", "not_found"))


def listed(api) -> list[int]:
    return [record["id"] for record in api.unsubscribes]


def test_dry_run(api, ids):
    """By default nothing is deleted, and nothing is asked."""
    receipt = delete(ids)

    assert (3, 0, 0) == counts(receipt)
    assert receipt["dry_run"] is True
    assert [] == api.asked


@pytest.mark.parametrize("off", [False, "false"])
def test_deleted(api, ids, off):
    """With dry_run turned off, the records with these ids are deleted, and no others."""
    assert (3, 2, 1) == counts(delete(ids, dry_run=off))
    assert [9007199254740993] == listed(api)


def test_again(api, ids):
    """What was deleted is not found, and nobody else is deleted."""
    delete(ids, dry_run=False)

    assert (3, 0, 3) == counts(delete(ids, dry_run=False))
    assert [9007199254740993] == listed(api)


def test_post(api, ids):
    """Where the API wants a POST, it is asked for once by GET."""
    api.delete_method = "POST"

    assert (3, 2, 1) == counts(delete(ids, dry_run=False))
    assert [DELETE] * 4 == api.asked


@pytest.mark.parametrize("dry_run", [True, False])
def test_max_deleted(api, ids, dry_run):
    """More ids than max_deleted fail before anything is deleted."""
    with pytest.raises(BadData, match="3 records would be deleted, more than max_deleted=2"):
        delete(ids, dry_run=dry_run, max_deleted=2)

    assert [] == api.asked


@pytest.mark.parametrize("line", ["anne@example.com", "0", "-1", "1.5", "1" * 19, "19,20", "٣"])
def test_no_id(api, ids, line):
    """A line that is no id is refused by its number, without its text."""
    ids.write_text(f"19\n{line}\n")

    with pytest.raises(AirflowFailException, match="ids: line 2 of file://.* is no id") as caught:
        delete(ids, dry_run=False)

    assert line not in str(caught.value).replace(str(ids), "")
    assert [] == api.asked


def test_no_file(api, tmp_path):
    """A file that does not exist is named."""
    with pytest.raises(AirflowFailException, match="ids: there is no file .*nothing.txt"):
        delete(tmp_path / "nothing.txt")


def test_bucket(api, bucket):
    """The file may lie in a bucket."""
    bucket["lists/ids.txt"] = b"19\n"

    assert (1, 1, 0) == counts(delete("s3://aws_default@lake/lists/ids.txt", dry_run=False))


def test_failed(api, ids):
    """A deletion that failed goes on with those that are left."""
    api.script(lambda answer: answer, *[at_once(b"", 503)] * 4)
    with pytest.raises(RequestFailed):
        delete(ids, dry_run=False)
    assert [20, 9007199254740993] == listed(api)

    assert (3, 1, 2) == counts(delete(ids, dry_run=False))
