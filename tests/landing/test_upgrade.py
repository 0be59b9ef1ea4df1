"""Destinations of earlier versions are read, landed into, compared, erased from and shown.

``tests/support/upgrade.py`` lists the versions. Each had landed three days, live; here it is noon
of the fourth.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, MailPartnerError
from mailpartner_provider.lake.receipts import read_receipt
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from tests.support.api import connect
from tests.support.lake import files
from tests.support.landing import land
from tests.support.runs import AIRFLOW
from tests.support.upgrade import (
    ARCHIVES,
    ARGUMENTS,
    FIRST,
    LAST,
    NEWEST,
    NEXT,
    OLDEST,
    VERSIONS,
    ZOE,
    applied,
    assert_nowhere,
    assert_vouched,
    at,
    comparable,
    content,
    erase,
    having,
    list_of,
    moved,
    next_list,
    page_texts,
    partitions,
    receipts,
    records,
    rewrite,
    unpack,
    with_folder,
)

SNAPSHOTS = ("snapshots", "hashed", "erased")
LANDED = ("created", *SNAPSHOTS)
EVERY = ("changes", *LANDED)
READER = "reader8@example.com"  # who is in every list
#: Today's version could not have written it.
FUTURE = {"receipt_version": 2, "provider_version": "9.8.7", "shards": {"count": [1, 2]}}


@pytest.fixture(autouse=True)
def clock():
    """It is noon of the day after the last landing."""
    with at(NEXT):
        yield


@pytest.fixture
def root(version, tmp_path):
    """All destinations of a version."""
    unpack(version, tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def place(root, folder):
    """One destination of a version."""
    return root / folder


def land_as(folder, destination, **arguments):
    """Land as the folder was landed, on the next day unless told otherwise."""
    arguments = {"snapshot_date": str(NEXT), "max_rejected": 1, **arguments}
    return land(destination, **ARGUMENTS[folder], **arguments)


def land_changes(source, destination, day=NEXT):
    return UnsubscribeChangesOperator(
        task_id="changes", source=str(source), destination=str(destination), snapshot_date=str(day)
    ).execute({})


@pytest.mark.parametrize("version", VERSIONS)
def test_archives(version):
    """Each version's archive holds the folders that it is said to hold, and there is no other."""
    assert {f"{name}.tar.xz" for name in VERSIONS} == {
        path.name for path in ARCHIVES.iterdir() if path.suffix == ".xz"
    }
    assert {"lists.json", *VERSIONS[version]} == {
        name.partition("/")[0] for name in content(version)
    }


def test_next_archive(tmp_path):
    """make.py can archive what today's version writes."""
    script, project = ARCHIVES / "make.py", ARCHIVES.parents[2]
    environment = {**os.environ, "PYTHONPATH": str(project), "AIRFLOW_HOME": str(tmp_path / "home")}
    (tmp_path / "lake").mkdir()

    subprocess.run(
        [sys.executable, script, "--land", project, tmp_path / "lake"], env=environment, check=True
    )

    assert {"lists.json", *EVERY} == {path.name for path in (tmp_path / "lake").iterdir()}
    for folder in EVERY:
        assert_vouched(tmp_path / "lake" / folder)


class TestReceipts:
    @having(*EVERY)
    def test_read(self, place):
        """Every receipt is read by the members that it has, and its partition is what it declares.

        A member that a later version added is no reason to ignore it."""
        for day, stored in receipts(place).items():
            file = place / f"_receipts/dt={day}.json"
            receipt = read_receipt(file.read_bytes(), file.as_uri())

            assert stored.items() <= receipt.as_dict().items()
        assert_vouched(place)

    @having(*LANDED, versions=[NEWEST])
    def test_later_member(self, api, version, folder, place):
        """A member that this version does not know is kept out of the way."""
        rewrite(place, LAST, shards={"count": [1, 2]}, note="@")
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert not receipt.keys() & {"shards", "note"}


class TestNextDay:
    @having(*LANDED)
    def test_compared(self, api, version, folder, place):
        """The next day's landing is compared with the last one."""
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert (len(people) + 1, True, "live") == (
            receipt["rows"],
            receipt["changed"],
            receipt["status"],
        )
        assert_vouched(place)

    @having(*SNAPSHOTS)
    def test_others_stay(self, api, version, folder, place):
        """It leaves every older file as it was."""
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        land_as(folder, place)

        assert before.items() <= files(place).items()
        new = {f"dt={NEXT}/part-00000.parquet", f"_receipts/dt={NEXT}.json"}
        assert new == files(place).keys() - before.keys()

    @having(*LANDED)
    def test_max_shrink(self, api, version, folder, place):
        """A list that lost seven in ten, such as 30 of 100, is not landed."""
        before = files(place)
        people = list_of(version, folder)
        api.unsubscribes = people[: len(people) * 3 // 10]

        with pytest.raises(BadData, match="max_shrink"):
            land_as(folder, place)

        assert before == files(place)

    @having("erased")
    def test_erased(self, api, version, folder, place):
        """Whoever was erased stays so, though the list names them still."""
        api.unsubscribes = next_list(list_of(version, folder))
        assert ZOE in str(api.unsubscribes)

        land_as(folder, place)

        assert_nowhere(ZOE, place)
        stood, stands = (
            next(row["email"] for row in records(place, day) if row["id"] == 4)
            for day in (LAST, NEXT)
        )
        assert stood == stands


class TestPast:
    @having(*SNAPSHOTS)
    @pytest.mark.parametrize("day", [FIRST, LAST], ids=["first", "last"])
    def test_live_stays(self, api, version, folder, place, day):
        """A backfill keeps the live snapshot of its day byte for byte, and returns its receipt."""
        before, stored = files(place), receipts(place)[str(day)]
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(day))

        assert before == files(place)
        assert (stored | {"changed": False}).items() <= receipt.items()

    @having("created")
    @pytest.mark.parametrize("day", [FIRST, LAST], ids=["first", "last"])
    def test_newest_list_stays(self, api, version, folder, place, day):
        """By day of opt-out, it keeps the newest list."""
        before, stored = files(place), receipts(place)[str(LAST)]
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(day))

        assert before == files(place)
        assert (stored | {"changed": False}).items() <= receipt.items()


class TestSameDay:
    @having(*LANDED)
    def test_same_list(self, api, version, folder, place, tmp_path):
        """The same list on the same day is unchanged where today's version writes the same bytes.

        Where it writes others the rows are the same: the first version compressed at another level,
        and other versions of pyarrow may be in use."""
        stood, rows = partitions(place), records(place)
        fresh = tmp_path / "fresh"
        if (place / "_erased.jsonl").exists():
            fresh.mkdir()
            shutil.copy(place / "_erased.jsonl", fresh)
        api.unsubscribes = list_of(version, folder)
        with at(LAST, hour=18):
            land_as(folder, fresh, snapshot_date=str(LAST))
            receipt = land_as(folder, place, snapshot_date=str(LAST))

        written = partitions(fresh)
        changed = [name for name in written if written[name] != stood.get(name)]
        assert bool(changed) == receipt["changed"]
        assert {**stood, **written} == partitions(place)
        assert rows == records(place)
        assert_vouched(place)


class TestChanges:
    @with_folder("changes")
    def test_next_day(self, api, version, root):
        """The next day's changes are computed against the last snapshot, and all changes so far,
        applied to nothing, give the new one."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")

        receipt = land_changes(root / "snapshots", root / "changes")

        assert (str(LAST), 2, 1, 1) == (
            receipt["previous_snapshot_date"],
            receipt["added"],
            receipt["removed"],
            receipt["changed_records"],
        )
        assert comparable(records(root / "snapshots", NEXT)) == applied(root / "changes")
        assert_vouched(root / "changes")

    @with_folder("snapshots")
    def test_first(self, api, version, root, tmp_path):
        """A new feed leads from the snapshot that it names, or from nothing, to the new one."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")

        receipt = land_changes(root / "snapshots", tmp_path / "feed")

        before = receipt["previous_snapshot_date"]
        assert before in (str(LAST), None)
        rows = records(root / "snapshots", LAST) if before else []
        assert comparable(records(root / "snapshots", NEXT)) == applied(tmp_path / "feed", rows)

    @with_folder("changes")
    def test_again(self, version, root):
        """The last day's changes, landed again, are what they were."""
        before = records(root / "changes", LAST)

        receipt = land_changes(root / "snapshots", root / "changes", day=LAST)

        assert before == records(root / "changes", LAST)
        assert str(LAST.replace(day=21)) == receipt["previous_snapshot_date"]
        assert_vouched(root / "changes")

    @having("erased")
    def test_erased(self, api, version, folder, place, tmp_path):
        """Changes between snapshots of which somebody was erased name them no more."""
        api.unsubscribes = next_list(list_of(version, "erased"))
        land_as("erased", place)

        receipt = land_changes(place, tmp_path / "feed")

        assert 0 < receipt["rows"]
        assert_nowhere(ZOE, tmp_path / "feed")


class TestCreated:
    @having("created")
    def test_nobody_is_lost(self, api, version, folder, place):
        """A reader of the whole folder sees the new list: nobody is lost, and nobody stays."""
        api.unsubscribes = next_list(list_of(version, folder))

        land_as(folder, place)

        listed = sorted((int(each["id"]), each["email"]) for each in api.unsubscribes)
        assert listed == sorted((row["id"], row["email"]) for row in records(place))

    @having("created")
    def test_goes_on(self, api, version, folder, place):
        """The day after, a list that has not changed changes nothing."""
        api.unsubscribes = next_list(list_of(version, folder))
        land_as(folder, place)
        before = partitions(place)

        with at(NEXT.replace(day=24)):
            receipt = land_as(folder, place, snapshot_date="2026-11-24")

        assert not receipt["changed"]
        assert before == partitions(place)


class TestErase:
    @having(*EVERY, versions=[OLDEST, NEWEST])
    def test_gone(self, place):
        """Erasing takes an address out of every file, and nothing else; the receipts follow."""
        before = {row["id"]: row for row in records(place)}

        assert 0 == erase(place, READER)

        assert_nowhere(READER, place)
        assert_vouched(place)
        after = {row["id"]: row for row in records(place)}
        assert before.keys() == after.keys()
        assert {number for number, row in after.items() if row != before[number]} <= {8}

    @having(*LANDED, versions=[OLDEST, NEWEST])
    def test_landed_afterwards(self, api, version, folder, place):
        """The next landing compares as before, and does not bring the address back."""
        erase(place, READER)
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people)) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
        )
        assert_nowhere(READER, place)
        assert_vouched(place)

    @having(*SNAPSHOTS, versions=[OLDEST, NEWEST])
    def test_live_stays(self, api, version, folder, place):
        """A live snapshot of which somebody was erased is kept by a backfill, too."""
        erase(place, READER)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(FIRST))

        assert before == files(place)
        assert ("live", False) == (receipt["status"], receipt["changed"])


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow before 3.1 has no place for pages")
class TestPage:
    @having(*LANDED)
    def test_shown(self, webserver, version, folder, place):
        """The page lists every landing, the newest first."""
        texts = page_texts(webserver, place)

        days = [text for text in texts[texts.index("Rejected") :] if text in receipts(place)]
        assert sorted(receipts(place), reverse=True) == days
        for day, stored in receipts(place).items():
            row = texts.index(day, texts.index("Rejected"))
            assert ["live", f"{day} 12:00 CET", str(stored["rows"])] == texts[row + 1 : row + 4]
            assert str(stored["rejected"]) == texts[row + 7]

    @with_folder("changes")
    def test_changes(self, webserver, version, root):
        """Beside its snapshots, a feed shows how many were added and removed."""
        texts = page_texts(webserver, root / "snapshots", root / "changes")

        row = texts.index(str(LAST), texts.index("Rejected"))
        assert ["100", "+4", "−1", "+3"] == texts[row + 3 : row + 7]


class TestOneKind:
    """A destination of an earlier version is of one kind, as today's are."""

    @having("snapshots", "hashed", "erased", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize(
        "other", [{"partition_by": "created"}, {"email_mode": "drop"}], ids=["layout", "mode"]
    )
    def test_other(self, api, version, folder, place, other):
        """Another layout or email_mode is refused, with the day of the newest receipt."""
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(NEXT), **{**ARGUMENTS[folder], **other})

        assert before == files(place)

    @having("created", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize(
        "other", [{"partition_by": "snapshot"}, {"email_mode": "drop"}], ids=["layout", "mode"]
    )
    def test_other_than_created(self, api, version, folder, place, other):
        """The same holds for a list by day of opt-out."""
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(NEXT), **{**ARGUMENTS[folder], **other})

        assert before == files(place)

    @having(*LANDED, versions=[OLDEST, NEWEST])
    def test_other_account(self, api, version, folder, place, monkeypatch):
        """Another connection is refused, with that day."""
        connect(monkeypatch, api, conn_id="other_account")
        api.unsubscribes = list_of(version, folder)
        before = files(place)

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land_as(folder, place, mailpartner_conn_id="other_account")

        assert before == files(place)

    @having("changes", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    def test_snapshots_into_changes(self, api, version, folder, place, day):
        """Snapshots are refused where changes are."""
        api.unsubscribes = list_of(version, "snapshots")
        before = files(place)

        with at(day, hour=18), pytest.raises(AirflowFailException, match=str(LAST)):
            land(place, snapshot_date=str(day))

        assert before == files(place)

    @with_folder("changes", versions=[OLDEST, NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    def test_changes_into_snapshots(self, api, version, root, day):
        """Changes are refused where snapshots are."""
        shutil.copytree(root / "snapshots", root / "other")
        api.unsubscribes = list_of(version, "snapshots")
        land_as("snapshots", root / "snapshots")
        before = files(root / "other")

        with pytest.raises(AirflowFailException, match=str(LAST)):
            land_changes(root / "snapshots", root / "other", day=day)

        assert before == files(root / "other")


class TestFuture:
    """A receipt that a later version wrote, in a way that this version cannot read, is a receipt:
    the task fails, names the version, and changes nothing."""

    refused = pytest.raises((AirflowFailException, MailPartnerError), match=r"9\.8\.7")

    @having(*LANDED, versions=[NEWEST])
    def test_next_day(self, api, version, folder, place):
        """The next day is not landed without the comparison."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with self.refused:
            land_as(folder, place)

        assert before == files(place)

    @having(*LANDED, versions=[NEWEST])
    def test_same_day(self, api, version, folder, place):
        """A landing on the day itself does not replace it."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with at(LAST, hour=18), self.refused:
            land_as(folder, place, snapshot_date=str(LAST))

        assert before == files(place)

    @having(*LANDED, versions=[NEWEST])
    def test_backfill(self, api, version, folder, place):
        """A backfill does not replace it either."""
        rewrite(place, LAST, **FUTURE)
        before = files(place)
        api.unsubscribes = next_list(list_of(version, folder))

        with self.refused:
            land_as(folder, place, snapshot_date=str(LAST))

        assert before == files(place)

    @with_folder("changes", versions=[NEWEST])
    @pytest.mark.parametrize("day", [LAST, NEXT], ids=["last", "next"])
    @pytest.mark.parametrize("rewritten", ["snapshots", "changes"])
    def test_changes(self, api, version, root, day, rewritten):
        """Changes are not computed from such a snapshot, nor across it; they are not landed over
        such changes, nor after them."""
        api.unsubscribes = next_list(list_of(version, "snapshots"))
        land_as("snapshots", root / "snapshots")
        rewrite(root / rewritten, LAST, **FUTURE)
        before = files(root)

        with self.refused:
            land_changes(root / "snapshots", root / "changes", day=day)

        assert before == files(root)


class TestBucket:
    """In a bucket it is the same, though no earlier receipt holds what the store calls a file."""

    @pytest.fixture
    def place(self, bucket, version, folder):
        """A destination of a version, in the bucket."""
        for name, data in content(version).items():
            if name.startswith(f"{folder}/"):
                bucket[name] = moved(data, name, "s3://lake")
        return f"s3://aws_default@lake/{folder}"

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_next_day(self, api, version, folder, place):
        """The next day's landing is compared with the last one."""
        people = list_of(version, folder)
        api.unsubscribes = next_list(people)

        receipt = land_as(folder, place)

        assert (str(LAST), len(people), len(people) + 1) == (
            receipt["previous_snapshot_date"],
            receipt["previous_rows"],
            receipt["rows"],
        )

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_max_shrink(self, api, bucket, version, folder, place):
        """A list that lost seven in ten is not landed."""
        before = dict(bucket)
        people = list_of(version, folder)
        api.unsubscribes = people[: len(people) * 3 // 10]

        with pytest.raises(BadData, match="max_shrink"):
            land_as(folder, place)

        assert before == dict(bucket)

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_live_stays(self, api, bucket, version, folder, place):
        """A backfill keeps the live snapshot, or the newest list."""
        before = dict(bucket)
        api.unsubscribes = next_list(list_of(version, folder))

        receipt = land_as(folder, place, snapshot_date=str(LAST))

        assert before == dict(bucket)
        assert ("live", False) == (receipt["status"], receipt["changed"])

    @having("snapshots", "created", versions=[OLDEST, NEWEST])
    def test_same_list(self, api, bucket, version, folder, place, tmp_path):
        """The same list on the same day is unchanged where today's version writes the same bytes;
        in any case the partitions are what it writes."""
        stood = dict(bucket)
        if f"{folder}/_erased.jsonl" in stood:
            (tmp_path / "_erased.jsonl").write_bytes(stood[f"{folder}/_erased.jsonl"])
        api.unsubscribes = list_of(version, folder)
        with at(LAST, hour=18):
            land_as(folder, tmp_path, snapshot_date=str(LAST))
            receipt = land_as(folder, place, snapshot_date=str(LAST))

        written = {f"{folder}/{name}": data for name, data in partitions(tmp_path).items()}
        changed = [name for name in written if written[name] != stood[name]]
        assert bool(changed) == receipt["changed"]
        assert written == {name: bucket[name] for name in written}
