"""What all object stores have in common: conditions, missing buckets, memory, proofs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import moto
import pytest

from mailpartner_provider.errors import Conflict
from mailpartner_provider.hooks.storage import open_destination
from mailpartner_provider.lake import objects
from tests.support.stores import CREATE, prove

NAME = "dt=2026-11-22/part-00000.parquet"
STORES = [
    "s3_store",
    pytest.param("azure_store", marks=pytest.mark.store),
    pytest.param("gcs_store", marks=pytest.mark.store),
]


@pytest.fixture(params=STORES)
def store(request):
    """A fresh place in each kind of object store."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def destination(store):
    """A destination there, without last looks: its conditions have to hold by themselves."""
    destination = store.open()
    prove(destination.address)
    return destination


def replace(destination, file, seen):
    """Replace the file, as another landing does."""
    file.write_bytes(b"more")
    destination.publish(file, NAME, seen)


def remove(destination, file, seen):
    """Remove the file, as another landing does."""
    destination.remove({NAME: seen})


class TestConditions:
    def test_create(self, store, destination, file):
        """A file that another landing creates at the last moment is not replaced."""
        destination.publish(file, NAME, None)
        file.write_bytes(b"late")

        with pytest.raises(Conflict):
            destination.publish(file, NAME, None)

        assert {NAME: b"ours"} == store.files()

    @pytest.mark.parametrize("interfere", [replace, remove])
    def test_replace(self, store, destination, file, interfere):
        """A file that another landing replaces or removes at the last moment is not replaced."""
        seen = destination.publish(file, NAME, None)
        interfere(destination, file, seen)
        before = store.files()
        file.write_bytes(b"late")

        with pytest.raises(Conflict):
            destination.publish(file, NAME, seen)

        assert before == store.files()

    @pytest.mark.parametrize("interfere", [replace, remove])
    def test_remove(self, store, destination, file, monkeypatch, interfere):
        """A file that another landing replaces or removes at the last moment is not removed."""
        if store.kind == "gcs" or (store.kind == "s3" and moto.__version__ < "5.2"):
            pytest.skip("this emulator ignores conditions of removals")
        monkeypatch.setattr(type(destination), "vendor", ("127.0.0.1",))
        seen = destination.publish(file, NAME, None)
        interfere(destination, file, seen)
        before = store.files()

        with pytest.raises(Conflict):
            destination.remove({NAME: seen})

        assert before == store.files()

    def test_same_bytes(self, destination, file):
        """A file that stands there as it was to be is no conflict: an answer may get lost."""
        version = destination.publish(file, NAME, None)

        assert version == destination.publish(file, NAME, None)

    def test_race(self, store, destination, tmp_path):
        """Of many who create a file at the same moment, one does, and the others know."""
        moment = threading.Barrier(6)

        def create(number):
            file = tmp_path / str(number)
            file.write_bytes(b"%d" % number)
            moment.wait()
            try:
                return destination.publish(file, NAME, None)
            except Conflict:
                return None

        with ThreadPoolExecutor(6) as threads:
            (version,) = filter(None, threads.map(create, range(6)))

        assert version == destination.info(NAME).version


@pytest.mark.parametrize(
    ("verb", "act"),
    [
        ("read", lambda lake, file: lake.read(NAME)),
        ("read", lambda lake, file: lake.fetch(NAME, file)),
        ("list", lambda lake, file: lake.list_files("dt=")),
        ("write", lambda lake, file: lake.publish(file, NAME, None)),
        ("read", lambda lake, file: lake.remove({NAME: "1"})),
    ],
)
def test_no_bucket(store, file, verb, act):
    """A bucket that does not exist is an error of one line that names it."""
    uri = store.uri.replace("@lake/", "@no-such-lake/")
    destination = open_destination(uri)
    prove(destination.address)

    with pytest.raises(OSError) as caught:
        act(destination, file)

    (line,) = str(caught.value).splitlines()
    scheme = uri.partition(":")[0]
    assert line.startswith(f"cannot {verb} {scheme}://no-such-lake/")
    assert "The specified" in line
    assert "does not exist" in line


class TestProof:
    @pytest.fixture(autouse=True)
    def unproved(self):
        """No store has been tried yet, nor has one for the tests that follow."""
        objects._conditional.clear()
        yield
        objects._conditional.clear()

    def test_conditional(self, store, file, log):
        """A store that honours conditions proves it with the first file."""
        destination = store.open()

        version = destination.publish(file, NAME, None)

        assert {(destination.address, CREATE): True} == objects._conditional
        assert {NAME: b"ours"} == store.files()
        assert version == destination.info(NAME).version
        assert "ignores conditional" not in log()


@pytest.mark.store
class TestIgnorant:
    """A server that speaks S3, and ignores conditions without a word."""

    @pytest.fixture(scope="class")
    def s3rver(self):
        """The server, and Airflow's connection to it."""
        from tests.support import emulators

        with emulators.s3rver() as connection:
            yield connection

    @pytest.fixture
    def destination(self, s3rver, monkeypatch, request):
        """A destination there; the server has not been tried yet."""
        monkeypatch.setenv("AIRFLOW_CONN_IGNORANT", json.dumps(s3rver))
        objects._conditional.clear()
        yield open_destination(f"s3://ignorant@lake/{request.node.name}")
        objects._conditional.clear()

    def test_warning(self, destination, file, caplog):
        """It is named by one warning, and used."""
        for number in range(3):
            destination.publish(file, f"dt={number}/part-00000.parquet", None)

        (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert warning.startswith(f"{destination.address} ignores conditional requests")
        assert 3 == len(destination.list_files("dt="))

    def test_nothing_left(self, destination, file):
        """Trying it leaves nothing behind."""
        version = destination.publish(file, NAME, None)

        assert [(NAME, version)] == [
            (name, info.version) for name, info in destination.list_files("").items()
        ]

    def test_last_look(self, destination, file):
        """What another landing replaced before the last look is not replaced or removed."""
        seen = destination.publish(file, NAME, None)
        file.write_bytes(b"more")
        version = destination.publish(file, NAME, seen)
        file.write_bytes(b"late")

        with pytest.raises(Conflict):
            destination.publish(file, NAME, None)
        with pytest.raises(Conflict):
            destination.publish(file, NAME, seen)
        with pytest.raises(Conflict):
            destination.remove({NAME: seen})

        # Not the content: this server may answer a PUT before it has written all of the file.
        assert version == destination.info(NAME).version


MEASURE = """
import sys
from pathlib import Path
from mailpartner_provider.hooks.storage import open_destination

def most():  # unlike ru_maxrss, not what the process had before it became Python
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").open())
    return int(status["VmHWM"].split()[0])

lake = open_destination(sys.argv[1])
small, large, copy = map(Path, sys.argv[2:])
lake.publish(small, "small", None)
before = most()
version = lake.publish(large, "large", None)
assert version == lake.fetch("large", copy)
print(most() - before)
"""


def test_memory(store, file, tmp_path):
    """Sending and fetching a file takes less than 100 MB, whatever its size."""
    large, copy = tmp_path / "large", tmp_path / "copy"
    with large.open("wb") as content:
        content.truncate(200 * 2**20)
    command = [sys.executable, "-c", MEASURE, store.uri, *map(str, (file, large, copy))]

    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)

    kib = int(done.stdout.split()[-1])
    print(f"{store.kind}: {kib / 1024:.0f} MiB more")
    assert kib * 2**10 < 100e6
    assert large.stat().st_size == copy.stat().st_size
