"""Landings as tasks of real runs: their day, receipt and end, and what they leave behind."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable

from mailpartner_provider.hooks.connection import key_forms
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.testing.answers import Answer
from tests import HOME
from tests.support.api import THREE, at_once, listing
from tests.support.dags import Step, dag_of
from tests.support.days import days_ago, midnight, noon, today, yesterday
from tests.support.lake import files
from tests.support.landing import land, operator
from tests.support.runs import AIRFLOW, run_by_hand, run_by_scheduler
from tests.support.sdk import Asset

airflow_3 = pytest.mark.skipif(
    AIRFLOW < (3,), reason="Airflow 2 has no runs without a logical date"
)
partitioned_runs = pytest.mark.skipif(
    AIRFLOW < (3, 2), reason="Airflow before 3.2 has no partitions"
)

MIDNIGHT = "0 0 * * *"
NIGHTLY = CronTriggerTimetable(MIDNIGHT, timezone="Europe/Paris")

pytestmark = pytest.mark.usefixtures("database", "api")


def then():
    """Return the noon of five days ago."""
    return noon() - timedelta(days=5)


def landing(destination, **arguments):
    """Return the operator that lands the day of its run."""
    return operator(destination, **{"snapshot_date": None, **arguments})


def pull_into(pulled):
    def pull(context):
        pulled.append(context["ti"].xcom_pull(task_ids="land"))

    return Step(task_id="hear", does=pull)


def days_in(lake):
    return [name[3:13] for name in lake.files() if name.startswith("dt=")]


class TestDay:
    @pytest.mark.parametrize(
        ("timetable", "days"), [(CronTriggerTimetable, 5), (CronDataIntervalTimetable, 4)]
    )
    def test_scheduled(self, lake, log, timetable, days):
        """A scheduled run lands the day on which its interval ends, however late it runs."""
        schedule, day = timetable(MIDNIGHT, timezone="Europe/Paris"), days_ago(days)

        (run,) = run_by_scheduler(
            dag_of(landing(lake), schedule=schedule, due=midnight(days_ago(5)))
        )

        assert {"land": "success"} == run.states
        assert [str(day)] == days_in(lake)
        assert (
            f"Landing the snapshot of {day} (from the run's data_interval_end, in Europe/Paris)"
            in log()
        )

    def test_by_hand(self, lake):
        """A run by hand lands the day of the logical date that it was given."""
        run_by_hand(dag_of(landing(lake)), then())

        assert [str(days_ago(5))] == days_in(lake)

    def test_zone(self, lake):
        """An instant becomes a day in the operator's timezone."""
        run_by_hand(dag_of(landing(lake, timezone="Pacific/Kiritimati")), then())

        assert [str(days_ago(4))] == days_in(lake)

    @airflow_3
    def test_without_logical_date(self, lake, log):
        """A run by hand without a logical date lands the day after which it was to run."""
        run = run_by_hand(dag_of(landing(lake)), None, run_after=then())

        assert run.dag_run.logical_date is None
        assert [str(days_ago(5))] == days_in(lake)
        assert (
            f"Landing the snapshot of {days_ago(5)} (from the run's run_after, in Europe/Paris)"
            in log()
        )

    def test_argument(self, lake):
        """The argument snapshot_date, once its template is rendered, outweighs the run."""
        dag = dag_of(landing(lake, snapshot_date="{{ dag_run.conf['day'] }}"))

        run_by_hand(dag, then(), run_conf={"day": "2026-02-03"})

        assert ["2026-02-03"] == days_in(lake)

    def test_mapped(self, lake):
        """One task for each of many days, the usual backfill, lands each."""
        days = ["2026-02-03", "2026-02-04"]
        landings = UnsubscribeToParquetOperator.partial(task_id="land", destination=str(lake))

        run_by_hand(dag_of(landings.expand(snapshot_date=days)), then())

        assert days == days_in(lake)

    def test_asset_triggered(self, lake):
        """A run that an asset triggered lands the day on which that happened; on Airflow 2, whose
        runs inherit an interval from what triggered them, the day on which that interval ends."""
        asset = Asset("lake://consents")
        upstream = dag_of(
            Step(task_id="consents", outlets=[asset]), schedule=NIGHTLY, due=midnight(days_ago(5))
        )
        downstream = dag_of(landing(lake), schedule=[asset])

        _, run = run_by_scheduler(upstream, downstream)

        assert {"land": "success"} == run.states
        assert [str(days_ago(5) if AIRFLOW < (3,) else today())] == days_in(lake)

    @partitioned_runs
    @pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo"])
    def test_partitioned(self, lake, log, zone):
        """A partitioned run lands the day of its partition, in whichever zone that day began; its
        key begins with that day, but Airflow 3.2 writes it in UTC."""
        from airflow.sdk import CronPartitionTimetable

        schedule = CronPartitionTimetable(MIDNIGHT, timezone=zone)
        due = midnight(days_ago(5), ZoneInfo(zone))

        (run,) = run_by_scheduler(dag_of(landing(lake), schedule=schedule, due=due))

        assert [str(days_ago(5))] == days_in(lake)
        if AIRFLOW < (3, 3):
            assert f"{due.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S}" == run.dag_run.partition_key
            assert "from the run's partition_date" in log()
        else:
            assert run.dag_run.partition_key.startswith(str(days_ago(5)))
            assert "from the run's partition_key" in log()

    @partitioned_runs
    def test_partition_triggered(self, lake):
        """A run that a partition of an asset triggered lands the day of that partition."""
        from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

        asset = Asset("lake://consents/by-day")
        nightly = CronPartitionTimetable(MIDNIGHT, timezone="Europe/Paris")
        outlet = Step(task_id="consents", outlets=[asset])

        run_by_scheduler(
            dag_of(outlet, schedule=nightly, due=midnight(days_ago(5))),
            dag_of(landing(lake), schedule=PartitionedAssetTimetable(assets=asset)),
        )

        assert [str(days_ago(5))] == days_in(lake)

    @partitioned_runs
    def test_partition_by_another_name(self, lake, log):
        """Where the partition key is written in another way, the partition's instant becomes a day
        in the operator's timezone."""
        from airflow.sdk import CronPartitionTimetable

        schedule = CronPartitionTimetable(MIDNIGHT, timezone="Europe/Paris", key_format="%d.%m.%Y")

        run_by_scheduler(dag_of(landing(lake), schedule=schedule, due=midnight(days_ago(5))))

        assert [str(days_ago(5))] == days_in(lake)
        decisive = "partition_date" if AIRFLOW >= (3, 3) else "run_after"
        assert f"from the run's {decisive}" in log()


class TestReceipt:
    def test_xcom(self, lake):
        """The receipt comes back by XCom, equal to the one in the destination."""
        pulled = []
        land = landing(lake)
        listen = pull_into(pulled)

        run = run_by_hand(dag_of(land, listen), then())

        assert {"land": "success", "hear": "success"} == run.states
        assert [lake.receipt(days_ago(5))] == pulled
        (receipt,) = pulled
        assert run.dag_run.run_id == receipt["run_id"]
        assert (run.dag_run.dag_id, "land") == (receipt["dag_id"], receipt["task_id"])

    def test_outlets(self, lake):
        """The receipt is attached to every outlet asset's event, where a run that the assets
        trigger reads it."""
        assets = [Asset("lake://unsubscribes"), Asset("lake://marketing/unsubscribes")]
        extras = []

        def listen(context):
            name = f"triggering_{'dataset' if AIRFLOW < (3,) else 'asset'}_events"
            extras.extend(event.extra for events in context[name].values() for event in events)

        run_by_scheduler(
            dag_of(landing(lake, outlets=assets), schedule=NIGHTLY, due=midnight(days_ago(5))),
            dag_of(Step(task_id="hear", does=listen), schedule=assets),
        )

        assert [lake.receipt(days_ago(5))] * 2 == extras

    @partitioned_runs
    def test_partition(self, lake):
        """Where the run has a partition, so has the asset's event: a DAG that is triggered by
        partitions runs for the day that was landed, and finds its receipt there."""
        from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

        asset = Asset("lake://unsubscribes/by-day")
        nightly = CronPartitionTimetable(MIDNIGHT, timezone="Europe/Paris")
        heard = []

        def listen(context):
            (events,) = context["triggering_asset_events"].values()
            heard.extend((context["dag_run"].partition_key, event.extra) for event in events)

        run_by_scheduler(
            dag_of(landing(lake, outlets=[asset]), schedule=nightly, due=midnight(days_ago(5))),
            dag_of(
                Step(task_id="hear", does=listen), schedule=PartitionedAssetTimetable(assets=asset)
            ),
        )

        ((key, receipt),) = heard
        day = days_ago(5) if AIRFLOW >= (3, 3) else days_ago(6)  # Airflow 3.2 writes it in UTC
        assert key.startswith(str(day))
        assert lake.receipt(days_ago(5)) == receipt

    def test_kept_live(self, lake):
        """A run that keeps the live snapshot passes on its receipt, with changed false."""
        pulled = []
        listen = pull_into(pulled)
        first = land(lake, yesterday())
        lake.make_live(yesterday())

        run_by_hand(dag_of(operator(lake, yesterday()), listen), then())

        assert [{**first, "status": "live", "changed": False}] == pulled


class TestEnd:
    once_more = {"retries": 1, "retry_delay": timedelta(0)}

    def test_refused(self, api, lake, log):
        """A refused run fails at once, however many retries it has, and one line of its log says
        what happened and what to do."""
        api.script(Answer({"success": False, "code": 10, "message": "Clé API incorrecte"}, 403))

        run = run_by_hand(dag_of(landing(lake, **self.once_more)), then())

        assert {"land": "failed"} == run.states
        assert (1, 1) == (run.tasks["land"].try_number, len(api.asked))
        cause = (
            "connection mailpartner_default: the API key is wrong: correct it (code 10, HTTP 403"
        )
        assert cause in log()
        assert "the API says: Clé API incorrecte. Airflow will not retry" in log()

    def test_failed(self, api, lake):
        """A failed run uses its retries."""
        api.script(*[at_once(b"", 503)] * 4)

        run = run_by_hand(dag_of(landing(lake, **self.once_more)), then())

        assert {"land": "success"} == run.states
        assert (2, 5) == (run.tasks["land"].try_number, len(api.asked))

    def test_failed_for_good(self, api, lake):
        """A run whose retries are used up fails, and publishes nothing."""
        api.script(*[at_once(b"", 503)] * 8)

        run = run_by_hand(dag_of(landing(lake, **self.once_more)), then())

        assert {"land": "failed"} == run.states
        assert (2, 8) == (run.tasks["land"].try_number, len(api.asked))
        assert not lake.exists()

    @pytest.mark.parametrize(
        "argument",
        [
            {"max_shrink": "{{ 'half' }}"},
            {"destination": "{{ 'lake' }}"},
            {"destination": "s3://nowhere@lake/unsubscribes"},
            {"mailpartner_conn_id": "nowhere"},
        ],
    )
    def test_wrong_argument(self, api, lake, argument):
        """A wrong argument that a template gave, or a connection that does not exist, fails at once
        too, before anything is asked."""
        arguments = {"destination": lake, **self.once_more, **argument}

        run = run_by_hand(dag_of(landing(**arguments)), then())

        assert {"land": "failed"} == run.states
        assert (1, 0) == (run.tasks["land"].try_number, len(api.asked))

    def test_skipped(self, api, lake):
        """An empty list with on_empty="skip" skips the task and what comes after it."""
        api.unsubscribes = []

        run = run_by_hand(dag_of(landing(lake, on_empty="skip"), Step(task_id="next")), then())

        assert {"land": "skipped", "next": "skipped"} == run.states
        assert "success" == str(run.dag_run.state)
        assert not lake.exists()


class TestNothingPersonal:
    people = [
        *THREE,
        {"id": 7, "email": "dora@example.com", "dora@example.com": "dora@example.com"},
        {"email": "emil@example.com"},
    ]

    def test_nowhere(self, api, lake, log):
        """Neither the key nor an address gets into a log, or anywhere below Airflow's home:
        metadata database, XCom, asset events, rendered templates, log files."""
        api.unsubscribes = self.people
        outlet = Asset("lake://people")
        pulled = []
        landed = dag_of(landing(lake, max_rejected=1, outlets=[outlet]), pull_into(pulled))
        run_by_hand(landed, then())
        answers = [
            Answer(listing(self.people)),  # more rejected than max_rejected
            Answer({"success": False, "code": 10, "message": f"{api.key} anne@example.com"}, 403),
            *[at_once(b'{"data": [{"email": "anne@example.com"')] * 4,
        ]
        api.script(*answers)
        for _ in range(3):
            run = run_by_hand(dag_of(landing(lake)), then())
            assert {"land": "failed"} == run.states

        settings = "airflow.cfg"  # has Airflow's own examples of addresses
        kept = b"".join(text for name, text in files(HOME).items() if name != settings)
        said = log().encode()
        if (3,) <= AIRFLOW < (3, 1):  # which shows at DEBUG whatever a task masks
            said = b"".join(line for line in said.splitlines(True) if b"MaskSecret(" not in line)

        assert pulled[0]["sha256"].encode() in kept
        assert b"Airflow will not retry" in said
        for text in (kept, said):
            assert b"@example.com" not in text.lower()
            for form in key_forms(api.key):
                assert form.encode() not in text
                assert json.dumps(form)[1:-1].encode() not in text
