"""The places where snapshots lie keep the same promises, whatever they are made of."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

from mailpartner_provider.lake.storage import LocalFolder, ObjectStore

pytestmark = pytest.mark.usefixtures("temporary")

HOLD_SCRATCH = """
import signal, tempfile
from pathlib import Path
from mailpartner_provider.lake.storage import LocalFolder, ObjectStore

tempfile.tempdir = {temporary!r}
with {destination}.scratch() as folder:
    (folder / "part.parquet").write_bytes(b"half")
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture
def destination(kind, tmp_path):
    """A destination of each kind, whose root does not exist yet."""
    if kind is LocalFolder:
        return LocalFolder(tmp_path / "lake" / "unsubscribes")
    return ObjectStore(fsspec.filesystem("memory"), f"/{tmp_path.name}/unsubscribes/")


def publish(destination, name, content):
    with destination.scratch() as scratch:
        file = scratch / "file"
        file.write_bytes(content)
        destination.publish(file, name)


class TestPromises:
    def test_round_trip(self, destination):
        """What was published under a name is read back, byte for byte."""
        publish(destination, "dt=2026-11-22/part-00000.parquet", b"\x00\r\n\xff")

        assert b"\x00\r\n\xff" == destination.read("dt=2026-11-22/part-00000.parquet")

    def test_replaced_whole(self, destination):
        """Publishing again replaces all of the file, a longer one too."""
        publish(destination, "_receipts/dt=2026-11-22.json", b"long and old")
        publish(destination, "_receipts/dt=2026-11-22.json", b"new")

        assert b"new" == destination.read("_receipts/dt=2026-11-22.json")
        assert ["dt=2026-11-22.json"] == destination.list_folder("_receipts")

    def test_not_in_place(self, tmp_path):
        """Who has opened the old file reads it to its end."""
        folder = LocalFolder(tmp_path / "lake")
        publish(folder, "dt=2026-11-22/part-00000.parquet", b"old")

        with (tmp_path / "lake/dt=2026-11-22/part-00000.parquet").open("rb") as reader:
            publish(folder, "dt=2026-11-22/part-00000.parquet", b"new")

            assert b"old" == reader.read()

    def test_nothing_there(self, destination):
        """What does not exist is read as None, listed as empty, and removed without a word."""
        assert destination.read("_receipts/dt=2026-11-22.json") is None
        assert [] == destination.list_folder("_receipts")
        destination.remove("_rejected/dt=2026-11-22.jsonl")

    def test_empty_file(self, destination):
        """An empty file is there, and empty."""
        publish(destination, "_receipts/dt=2026-11-22.json", b"")

        assert b"" == destination.read("_receipts/dt=2026-11-22.json")

    def test_names(self, destination):
        """A folder is listed by the names in it, in order, without those of folders above or
        below."""
        for name in ("a/2", "a/1", "a/b/3", "c/4"):
            publish(destination, name, b"x")

        assert ["1", "2", "b"] == destination.list_folder("a")

    def test_sizes(self, destination):
        """The files in the folders that begin so are listed with their sizes, as they are now."""
        assert {} == destination.sizes("a=")
        for name, content in (("a=1/x", b"12"), ("a=2/y", b""), ("b/a=3", b"1"), ("a=1/b/x", b"1")):
            publish(destination, name, content)
        assert {"a=1/x": 2, "a=2/y": 0} == destination.sizes("a=")

        destination.remove("a=2/y")

        assert {"a=1/x": 2} == destination.sizes("a=")

    def test_removed(self, destination):
        """What was removed is gone, and nothing else."""
        publish(destination, "a/1", b"x")
        publish(destination, "a/2", b"x")

        destination.remove("a/1")

        assert ["2"] == destination.list_folder("a")
        assert destination.read("a/1") is None

    def test_fetched(self, destination, tmp_path):
        """A file is copied, byte for byte; what does not exist is not, and that is said."""
        publish(destination, "a/1", b"\x00\r\n\xff")

        assert destination.fetch("a/1", tmp_path / "copy")
        assert b"\x00\r\n\xff" == (tmp_path / "copy").read_bytes()
        assert not destination.fetch("a/2", tmp_path / "none")

    def test_digest(self, destination):
        """A digest is the SHA-256 of the whole file, in hex; None where there is no such file."""
        assert destination.digest("a/1") is None

        publish(destination, "a/1", b"abc" * 2**20)

        assert hashlib.sha256(b"abc" * 2**20).hexdigest() == destination.digest("a/1")

    def test_uri(self, destination):
        """A URI says where a name lies, whether or not it exists."""
        uri = destination.uri("dt=2026-11-22/part-00000.parquet")

        assert uri.endswith("/unsubscribes/dt=2026-11-22/part-00000.parquet")
        assert uri.startswith(("file:///", "memory://"))


class TestScratch:
    def test_gone(self, destination, tmp_path):
        """Scratch space is gone afterwards, and so is every folder that was made for it."""
        with destination.scratch() as scratch:
            (scratch / "file").write_bytes(b"x")

        assert [tmp_path / "tmp"] == list(tmp_path.rglob("*"))

    def test_gone_after_an_error(self, destination, tmp_path):
        """Scratch space is gone after an error too, and the error comes out as it was."""
        with pytest.raises(KeyError), destination.scratch() as scratch:
            (scratch / "file").write_bytes(b"x")
            raise KeyError

        assert [tmp_path / "tmp"] == list(tmp_path.rglob("*"))

    def test_everything_published_stays(self, destination, tmp_path):
        """Scratch space goes, what was published stays."""
        publish(destination, "a/1", b"x")

        assert [] == list(tmp_path.rglob("*landing*"))
        assert b"x" == destination.read("a/1")

    def test_own(self, destination):
        """Two landings at the same time have scratch space of their own."""
        with destination.scratch() as one, destination.scratch() as other:
            (one / "file").write_bytes(b"one")
            (other / "file").write_bytes(b"other")

            assert b"one" == (one / "file").read_bytes()

    def test_hidden(self, tmp_path):
        """Scratch space in a folder begins with a dot, so that readers of the dataset skip it."""
        with LocalFolder(tmp_path / "lake").scratch() as scratch:
            assert scratch.parent == tmp_path / "lake"
            assert scratch.name.startswith(".")

    def test_many_at_once(self, destination):
        """Landings that begin and end at the same time never take each other's scratch space."""
        errors = []

        def land_often():
            try:
                for number in range(30):
                    with destination.scratch() as scratch:
                        (scratch / "file").write_bytes(b"%d" % number)
                        assert b"%d" % number == (scratch / "file").read_bytes()
            except BaseException as error:
                errors.append(error)

        publish(destination, "a/1", b"x")
        threads = [threading.Thread(target=land_often) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [] == errors


def test_last_file_of_a_folder(tmp_path):
    """A folder goes with its last file."""
    destination = LocalFolder(tmp_path / "lake")
    for name in ("a/1", "a/2"):
        publish(destination, name, b"x")

    destination.remove("a/1")
    assert (tmp_path / "lake" / "a").exists()

    destination.remove("a/2")
    assert [] == list((tmp_path / "lake").iterdir())


class TestLeftovers:
    @pytest.fixture
    def other(self, kind, tmp_path, temporary):
        """Another process that holds scratch space, and that space."""
        root = tmp_path / "lake" / "unsubscribes"
        makers = {
            LocalFolder: f"LocalFolder(Path({str(root)!r}))",
            ObjectStore: "ObjectStore(None, 'lake')",
        }
        code = HOLD_SCRATCH.format(temporary=str(temporary), destination=makers[kind])
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process, Path(process.stdout.readline().strip())
            finally:
                process.kill()

    def test_of_a_killed_process(self, destination, other):
        """What a killed process left is removed by the next to ask for scratch space."""
        process, left = other
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert b"half" == (left / "part.parquet").read_bytes()

        with destination.scratch():
            assert not left.exists()

    def test_of_a_live_process(self, destination, other):
        """What a live process holds is left alone."""
        _, held = other

        with destination.scratch():
            pass

        assert b"half" == (held / "part.parquet").read_bytes()

    def test_foreign_files(self, tmp_path):
        """Files of others are left alone, hidden ones too."""
        foreign = tmp_path / "lake" / ".cache" / "file"
        foreign.parent.mkdir(parents=True)
        foreign.write_bytes(b"x")

        publish(LocalFolder(tmp_path / "lake"), "a/1", b"x")

        assert b"x" == foreign.read_bytes()
