"""A disk, a store or a clock that fails in the middle of a landing."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep

import pytest
import time_machine
from airflow.providers.common.compat.sdk import ObjectStoragePath

from mailpartner_provider.lake.storage import ObjectStore
from mailpartner_provider.testing.answers import Answer
from tests.campaigns.crash.test_walk import PARTITION, QUARANTINE, RECEIPT
from tests.conftest import PARIS, THREE, TODAY, files, land, listing
from tests.support.bucket import Request, first, throttling

NOBODY = 65534
IMPATIENT = "s3://impatient@lake/unsubscribes"


class TestDisk:
    @pytest.fixture
    def public(self):
        """A folder that every user may enter, and write."""
        folder = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)
        shutil.rmtree(folder)

    def test_full_before_the_receipt(self, api, lake):
        """A disk without room for the receipt leaves the old partition, and is named."""
        land(lake)
        before = files(lake)
        many_names = {f"field_{number}": 1 for number in range(1000)}
        api.unsubscribes = [*THREE, {"id": 22, "email": "a@example.com", **many_names}]

        with (
            no_file_over(10_000),
            pytest.raises(OSError, match=f"^cannot write scratch files in {lake}/"),
        ):
            land(lake)

        assert before == files(lake)

    @pytest.mark.parametrize(
        ("read_only", "named"),
        [("lake", "lake"), (f"lake/dt={TODAY}", f"lake/{PARTITION}")],
    )
    def test_read_only(self, api, public, read_only, named):
        """A folder that cannot be written leaves the old partition, and is named."""
        lake = public / "lake"
        with ordinary_user():
            land(lake)
            before = files(lake)
            api.unsubscribes = THREE[:2]
            (public / read_only).chmod(0o555)

            with pytest.raises(OSError, match=f"^cannot write {public / named}: Permission denied"):
                land(lake)

            assert before == files(lake)
            (public / read_only).chmod(0o755)

    def test_cannot_be_made(self, api, public):
        """A folder that cannot be made is named."""
        public.chmod(0o555)

        with (
            ordinary_user(),
            pytest.raises(OSError, match=f"^cannot write {public}/lake: Permission denied"),
        ):
            land(public / "lake")


class TestStore:
    @pytest.fixture(autouse=True)
    def impatient(self, bucket_folder, monkeypatch):
        """A connection to the bucket whose client leaves trying again to the file system."""
        connection = bucket_folder.bucket.connection
        extra = {**connection["extra"], "config_kwargs": {"retries": {"max_attempts": 0}}}
        monkeypatch.setenv("AIRFLOW_CONN_IMPATIENT", json.dumps({**connection, "extra": extra}))

    @pytest.mark.parametrize("times", [1, 3])
    def test_throttled(self, api, bucket_folder, times):
        """A store that is asked too much at first gets the landing in the end."""
        land(IMPATIENT)
        api.unsubscribes = THREE[:2]
        bucket_folder.bucket.fault = first(times, throttling)

        receipt = land(IMPATIENT)

        stands = bucket_folder.files()
        assert receipt == json.loads(stands[RECEIPT])
        assert receipt["sha256"] == hashlib.sha256(stands[PARTITION]).hexdigest()

    @pytest.mark.parametrize("fault", [throttling, Request.hang_up])
    def test_for_good(self, api, bucket_folder, fault):
        """A store that never takes the partition keeps the old one, and is named in one line."""
        land(IMPATIENT)
        before = bucket_folder.files()
        api.unsubscribes = THREE[:2]
        bucket_folder.bucket.fault = first(10**6, fault, f"PUT /lake/unsubscribes/{PARTITION}")

        with pytest.raises(OSError) as caught:
            land(IMPATIENT)

        assert str(caught.value).startswith(f"cannot write s3://lake/unsubscribes/{PARTITION}: ")
        assert "\n" not in str(caught.value)
        assert before == bucket_folder.files()

    @pytest.mark.parametrize("name", [PARTITION, QUARANTINE, RECEIPT])
    def test_lost_while_sending(self, api, bucket_folder, name):
        """A connection that is lost in the middle of an upload is made anew, and all is sent."""
        land(IMPATIENT)
        api.unsubscribes = [*THREE[:2], {"id": 21}]
        asked = f"PUT /lake/unsubscribes/{name}"
        bucket_folder.bucket.asked.clear()
        bucket_folder.bucket.fault = first(1, Request.hang_up, asked)

        receipt = land(IMPATIENT, max_rejected=1)

        stands = bucket_folder.files()
        assert 2 == bucket_folder.bucket.asked.count(asked)
        assert receipt == json.loads(stands[RECEIPT])
        assert receipt["sha256"] == hashlib.sha256(stands[PARTITION]).hexdigest()
        assert {"id": 21} == json.loads(stands[QUARANTINE])["record"]

    def test_big_file(self, bucket_folder, tmp_path):
        """A file of any size is one PUT: parts would stay behind where a landing is killed."""
        file = tmp_path / "file"
        content = os.urandom(110 * 2**20)
        file.write_bytes(content)
        place = ObjectStoragePath(bucket_folder.destination)

        ObjectStore(place.fs, place.path).publish(file, "big")

        assert "PUT /lake/unsubscribes/big" == bucket_folder.bucket.asked[-1]
        assert 1 == len([asked for asked in bucket_folder.bucket.asked if "big" in asked])
        assert content == bucket_folder.bucket["unsubscribes/big"]


class TestClock:
    """Only the instant at which the answer began counts, whatever the clock does then."""

    midnight = datetime(2026, 3, 11, tzinfo=PARIS)
    before, after = datetime(2026, 3, 10, 23, tzinfo=PARIS), datetime(2026, 3, 11, 1, tzinfo=PARIS)

    @pytest.mark.parametrize(
        ("begins", "jumps_to", "day", "status"),
        [
            (before, after, "2026-03-10", "live"),
            (after, before, "2026-03-10", "backdated"),
            (after, before, "2026-03-11", "live"),
        ],
    )
    def test_jumps(self, api, lake, begins, jumps_to, day, status):
        """A clock that jumps over midnight while the answer arrives, in either direction, changes
        neither the day nor the status."""
        with time_machine.travel(begins) as clock:

            def pieces():
                yield b" " * 2**21  # more than is awaited before it is looked at
                wait_until(lambda: list(lake.glob(".mailpartner-landing-*")))
                clock.move_to(jumps_to)
                yield json.dumps(listing(THREE)).encode()

            api.script(Answer(pieces()))
            receipt = land(lake, snapshot_date=day)

        observed_at = datetime.fromisoformat(receipt["observed_at"].replace("Z", "+00:00"))
        assert (day, status) == (receipt["snapshot_date"], receipt["status"])
        assert 0 <= (observed_at - begins).total_seconds() < 60
        assert 0 < receipt["duration_seconds"] < 60

    def test_duration(self, api, lake):
        """A landing takes as long as its answer does, and the tries before it do not count."""

        def pieces(seconds, body):
            yield b"{"
            sleep(seconds)
            yield body[1:]

        whole = json.dumps(listing(THREE)).encode()
        api.script(
            Answer(pieces(0.4, whole[:-1]), headers={"Retry-After": "0"}),
            Answer(pieces(0.2, whole)),
        )

        began = monotonic()
        duration = land(lake)["duration_seconds"]

        assert 0.2 <= duration <= monotonic() - began - 0.4

    def test_each_try_has_its_own_instant(self, api, lake):
        """A try that begins after midnight is backdated, though the landing began before."""
        with time_machine.travel(self.before) as clock:

            def pieces():
                yield b'{"success": true,'
                clock.move_to(self.after)

            api.script(Answer(pieces(), headers={"Retry-After": "0"}))
            receipt = land(lake, snapshot_date="2026-03-10")

        assert "backdated" == receipt["status"]
        assert receipt["observed_at"].startswith("2026-03-11T00:00")


def wait_until(met):
    """Wait for a condition, but not for ever."""
    for _ in range(1000):
        if met():
            return
        sleep(0.01)


@contextmanager
def no_file_over(size):
    """Limit the size of each file that this process writes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def ordinary_user():
    """Run as a user for whom permissions count; they do not for root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
