"""What a task sends to monitoring: lineage to OpenLineage, metrics to StatsD."""

from __future__ import annotations

import pytest

from mailpartner_provider.compat import AirflowSkipException
from mailpartner_provider.operators.telemetry import dataset_name
from mailpartner_provider.privacy.hashing import EmailMode
from mailpartner_provider.schemas import changes_schema, created_schema, snapshot_schema
from tests.support.api import THREE
from tests.support.changes import begin, comparing
from tests.support.days import today, yesterday
from tests.support.docs import PAGES
from tests.support.landing import land, operator
from tests.support.pushing import opt_outs, pushing
from tests.support.telemetry import columns, names, statistics, told

SNAPSHOT = snapshot_schema()


def described(schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


@pytest.mark.usefixtures("database")
class TestLineage:
    def test_landing(self, api, lake):
        """A landing goes from the API's list into its partition, with columns, rows and size."""
        event = told("land", operator(lake))

        place = lake.partition()
        list_of_api = (api.url.removesuffix("/v1"), "v1/unsubscribe/list")
        assert [list_of_api] == names(event["inputs"])
        assert [("file", str(place))] == names(event["outputs"])
        assert 3 == statistics(event)["rowCount"]
        assert place.stat().st_size == statistics(event)["size"]
        assert described(SNAPSHOT) == columns(event)

    def test_other_columns(self, api, lake):
        """The columns are those of the layout and of the mode for addresses."""
        event = told("land", operator(lake, partition_by="created", email_mode="sha256"))

        assert described(created_schema(EmailMode("sha256").column)) == columns(event)
        assert str(lake) == event["outputs"][0]["name"]

    def test_changes(self, api, lake, feed):
        """Changes go from two snapshots into their partition."""
        land(lake, yesterday())
        lake.make_live(yesterday())
        begin(lake, feed)
        api.unsubscribes = THREE[:2]

        event = told("compare", operator(lake), comparing(lake, feed))

        assert [str(lake.partition(day)) for day in (today(), yesterday())] == [
            each["name"] for each in event["inputs"]
        ]
        assert [("file", str(feed.partition()))] == names(event["outputs"])
        assert 1 == statistics(event)["rowCount"]
        assert described(changes_schema(SNAPSHOT)) == columns(event)

    def test_push(self, api, lake, tmp_path):
        """A push goes from its source and a snapshot into the API's list."""
        given = opt_outs(tmp_path / "given", ["zoe@example.com"])

        event = told("push", operator(lake), pushing(lake, given))

        assert [str(lake.partition()), str(given)] == [each["name"] for each in event["inputs"]]
        list_of_api = (api.url.removesuffix("/v1"), "v1/unsubscribe/list")
        assert [list_of_api] == names(event["outputs"])
        assert 1 == statistics(event)["rowCount"]

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("s3://aws_default@lake/given", ("s3://lake", "given")),
            ("file:///given", ("file", "/given")),
            ("/given", ("file", "/given")),
        ],
    )
    def test_source(self, api, lake, tmp_path, source, expected):
        """The source of a push is named without the id of its connection; a dry run has no
        output."""
        land(lake)
        task = pushing(lake, opt_outs(tmp_path / "given", []), dry_run=True)
        task.execute({})
        task.source = source

        lineage = task.get_openlineage_facets_on_complete(None)

        assert expected == (lineage.inputs[1].namespace, lineage.inputs[1].name)
        assert [] == lineage.outputs

    def test_nothing(self, api, lake):
        """A task that landed nothing sends no lineage."""
        api.unsubscribes = []
        task = operator(lake, on_empty="skip")
        with pytest.raises(AirflowSkipException):
            task.execute({})

        assert task.get_openlineage_facets_on_complete(None) is None

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("s3://lake/a/dt=2026-11-24/x", ("s3://lake", "a/dt=2026-11-24/x")),
            ("file:///lake/a b", ("file", "/lake/a b")),
            ("/lake/a b", ("file", "/lake/a b")),
            ("https://api.mailpartner.fr/v1/me", ("https://api.mailpartner.fr", "v1/me")),
        ],
    )
    def test_names(self, uri, expected):
        """Namespaces and names are those of OpenLineage's convention."""
        assert expected == dataset_name(uri)


LAND = """
import sys
from tests.support.runs import start_metrics
from tests.support.landing import land

start_metrics()
print(land(sys.argv[1])["bytes"])
"""

PUSH = """
import sys
from tests.support.runs import start_metrics
from tests.support.pushing import push

start_metrics()
push({lake!r}, sys.argv[1])
"""


class TestMetrics:
    def test_landing(self, api, lake, metrics):
        """A landing sends its rows, bytes, rejected records, lag and duration, tagged."""
        printed, found = metrics.sent_by(LAND, str(lake), 5)

        tags = {"task_id=land", "conn_id=mailpartner_default"}
        assert {"rows", "bytes", "rejected", "lag", "duration"} == found.keys()
        assert ("3|g", tags) == found["rows"]
        assert (f"{printed.split()[-1]}|g", tags) == found["bytes"]
        assert ("0|g", tags) == found["rejected"]
        assert float(found["lag"][0].removesuffix("|g")) > 365 * 86_400
        assert found["duration"][0].endswith("|ms")
        assert all(f"`mailpartner.{name}`" in PAGES["docs/guides/airflow.md"] for name in found)

    def test_push(self, api, lake, metrics, tmp_path):
        """A push sends how many people were added, there already, or invalid, and its duration."""
        land(lake)
        opt_outs(tmp_path / "given", ["zoe@example.com", "x@y.fr", "no address"])

        _, found = metrics.sent_by(PUSH.format(lake=str(lake)), str(tmp_path / "given"), 4)

        tags = {"dag_id=dag", "task_id=push", "conn_id=mailpartner_default"}
        duration = found.pop("push.duration")
        assert duration[0].endswith("|ms")
        assert {
            "push.added": ("2|g", tags),
            "push.already": ("0|g", tags),
            "push.invalid": ("1|g", tags),
        } == found
