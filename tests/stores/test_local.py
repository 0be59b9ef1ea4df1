"""A destination in a local or network folder: locks, scratch folders, and what a disk answers."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailpartner_provider.errors import Conflict
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.scratch import scratch_folder

NAME = "dt=2026-11-22/part-00000.parquet"
HOLD_SCRATCH = """
import sys, time
from pathlib import Path
from mailpartner_provider.lake.scratch import scratch_folder

with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "part.parquet").write_bytes(b"half")
    print(folder, flush=True)
    time.sleep(600)
"""
HOLD_LOCK = """
import sys
from pathlib import Path
from mailpartner_provider.lake.local import LocalFolder

with LocalFolder(Path(sys.argv[1])).locked(lambda: None):
    print("locked", flush=True)
    sys.stdin.readline()
"""
EIGHT_DAYS = 8 * 24 * 3600


@pytest.fixture
def lake(tmp_path):
    """A folder that exists."""
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


@pytest.fixture
def run():
    """Run a script in a process of its own; return it, and the first line that it prints."""
    processes = []

    def run(script: str, *arguments: object) -> tuple[subprocess.Popen, str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, **pipes))
        return processes[-1], processes[-1].stdout.readline().strip()

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks, as the kernel answers for it."""

    def flock(handle: int, mode: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def publish(folder: Path, name: str = NAME, content: bytes = b"x") -> None:
    destination = LocalFolder(folder)
    with destination.scratch() as scratch, destination.locked(lambda: None):
        (scratch / "file").write_bytes(content)
        info = destination.info(name)
        destination.publish(scratch / "file", name, info.version if info else None)


class TestPublishing:
    def test_not_in_place(self, lake):
        """Who has opened the old file reads it to its end."""
        publish(lake, content=b"old")

        with (lake / NAME).open("rb") as reader:
            publish(lake, content=b"new")

            assert b"old" == reader.read()

    def test_last_file_of_a_folder(self, lake):
        """A folder goes with its last file."""
        destination = LocalFolder(lake)
        for name in ("a/1", "a/2"):
            publish(lake, name)

        destination.remove({"a/1": destination.info("a/1").version})
        assert (lake / "a").exists()

        destination.remove({"a/2": destination.info("a/2").version})
        assert [] == list(lake.iterdir())

    def test_foreign_files(self, lake):
        """Files of others are left alone, hidden ones too."""
        foreign = lake / ".cache" / "file"
        foreign.parent.mkdir()
        foreign.write_bytes(b"x")

        publish(lake)

        assert b"x" == foreign.read_bytes()

    @pytest.mark.parametrize("target", ["itself", "missing"])
    def test_foreign_links(self, lake, target):
        """A link that leads to no file is not listed; one to a file is."""
        publish(lake)
        folder = (lake / NAME).parent
        (folder / "itself").symlink_to(target)
        (folder / "linked").symlink_to((lake / NAME).name)

        assert {NAME, f"{folder.name}/linked"} == LocalFolder(lake).list_files("dt=").keys()

    @pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
    def test_no_fsync_of_folders(self, lake, monkeypatch, code):
        """A file system that cannot write a folder through, such as CIFS, is written to as well."""
        self.fail_for_folders(monkeypatch, code)

        publish(lake)

        assert b"x" == (lake / NAME).read_bytes()

    def test_broken_disk(self, lake, monkeypatch):
        """Any other error of writing a folder through is one, and names the file."""
        self.fail_for_folders(monkeypatch, errno.EIO)

        with pytest.raises(OSError, match=f"^cannot write {lake / NAME}: Input/output error$"):
            publish(lake)

    def test_written_through(self, lake, monkeypatch):
        """Content is written through before the name, and so are the names of new folders."""
        steps = []
        fsync, replace = os.fsync, os.replace

        def noted_fsync(handle):
            steps.append(os.readlink(f"/proc/self/fd/{handle}"))
            fsync(handle)

        def noted_replace(old, new):
            steps.append("replace")
            replace(old, new)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "replace", noted_replace)

        publish(lake)

        assert str(lake) in steps
        *_, before, renamed, after = steps
        assert before == str(lake) or before.endswith("/file")
        assert any(step.endswith("/file") for step in steps[: steps.index("replace")])
        assert ("replace", str((lake / NAME).parent)) == (renamed, after)

    @staticmethod
    def fail_for_folders(monkeypatch, code):
        fsync = os.fsync

        def fail(handle):
            if os.path.isdir(f"/proc/self/fd/{handle}"):
                raise OSError(code, os.strerror(code))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", fail)


class TestLock:
    def test_excludes(self, lake, run):
        """While another process holds the lock, it is waited for, and then had."""
        holder, _ = run(HOLD_LOCK, lake)
        waited = []

        def wait():
            waited.append(True)
            if len(waited) == 2:
                holder.communicate("\n")

        with LocalFolder(lake).locked(wait):
            assert 2 <= len(waited)
            assert 1 == len(list(lake.iterdir()))  # the lock is not on a file that was removed

    def test_stopped(self, lake, run):
        """A stop is heard while the lock is waited for."""
        run(HOLD_LOCK, lake)

        def stop():
            raise KeyError

        with pytest.raises(KeyError), LocalFolder(lake).locked(stop):
            pass

    def test_nothing_left(self, lake):
        """The lock is a file that is there while it is held."""
        with LocalFolder(lake).locked(lambda: None):
            (lock,) = lake.iterdir()
            assert lock.name.startswith(".")

        assert [] == list(lake.iterdir())

    def test_root_made_for_it(self, tmp_path):
        """Locking a destination that does not exist leaves nothing either."""
        with LocalFolder(tmp_path / "a" / "b").locked(lambda: None):
            assert (tmp_path / "a" / "b").exists()

        assert [] == list(tmp_path.iterdir())

    def test_of_a_killed_process(self, lake, run):
        """The lock of a killed process is free, and its file goes with the next landing."""
        holder, _ = run(HOLD_LOCK, lake)
        holder.kill()
        holder.wait()
        assert 1 == len(list(lake.iterdir()))

        with LocalFolder(lake).locked(pytest.fail):
            pass

        assert [] == list(lake.iterdir())

    def test_many_at_once(self, lake):
        """Of many who lock, unlock and remove the file at the same time, one holds the lock."""
        inside = []

        def lock_often(_):
            for _ in range(20):
                with LocalFolder(lake).locked(lambda: None):
                    inside.append(True)
                    assert 1 == len(inside)
                    time.sleep(0.001)
                    inside.pop()

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lock_often, range(4)))

        assert [] == list(lake.iterdir())

    def test_opened_for_writing(self, lake):
        """The lock is on a file that is open for writing: NFS locks no other."""
        with LocalFolder(lake).locked(lambda: None):
            (lock,) = lake.iterdir()
            handles = [
                handle
                for handle in os.listdir("/proc/self/fd")
                if os.path.realpath(f"/proc/self/fd/{handle}") == str(lock)
            ]
            (handle,) = handles
            assert fcntl.fcntl(int(handle), fcntl.F_GETFL) & os.O_RDWR

    def test_no_locks(self, lake, no_locks, caplog):
        """A file system without locks is used, and named by one warning."""
        for _ in range(3):
            publish(lake)

        (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert f"The file system of {lake} has no locks (No locks available)" in warning
        assert b"x" == (lake / NAME).read_bytes()
        assert [lake / "dt=2026-11-22"] == list(lake.iterdir())

    def test_broken(self, lake, monkeypatch):
        """Any other error of locking is one, and names the folder."""

        def flock(handle, mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(fcntl, "flock", flock)

        with (
            pytest.raises(OSError, match=f"^cannot lock {lake}: Input/output error$"),
            LocalFolder(lake).locked(lambda: None),
        ):
            pass

    def test_conflict_between_processes(self, lake, run):
        """What another process replaced while the lock was not held is a conflict."""
        publish(lake)
        destination = LocalFolder(lake)
        seen = destination.info(NAME).version
        publish(lake, content=b"y")

        with destination.scratch() as scratch, destination.locked(lambda: None):
            (scratch / "file").write_bytes(b"z")
            with pytest.raises(Conflict):
                destination.publish(scratch / "file", NAME, seen)

        assert b"y" == (lake / NAME).read_bytes()


class TestScratch:
    def test_hidden(self, lake):
        """Scratch space in a folder begins with a dot, so that readers of the dataset skip it."""
        with LocalFolder(lake).scratch() as scratch:
            assert scratch.parent == lake
            assert scratch.name.startswith(".")

    def test_many_at_once(self, lake):
        """Landings that begin and end at the same time never take each other's scratch space."""

        def land_often(_):
            for number in range(30):
                with scratch_folder(lake) as scratch:
                    (scratch / "file").write_bytes(b"%d" % number)
                    assert b"%d" % number == (scratch / "file").read_bytes()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(land_often, range(8)))

        assert [] == list(lake.iterdir())

    def test_in_a_bucket(self, bucket, tmp_path, monkeypatch):
        """Scratch space of a bucket lies among the temporary files."""
        from mailpartner_provider.hooks.storage import open_destination

        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        with open_destination("s3://aws_default@lake/unsubscribes").scratch() as scratch:
            assert scratch.parent == tmp_path

        assert [] == list(tmp_path.iterdir())


class TestLeftovers:
    def test_of_a_killed_process(self, lake, run):
        """What a killed process left is removed by the next to ask for scratch space."""
        process, left = run(HOLD_SCRATCH, lake)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert b"half" == (Path(left) / "part.parquet").read_bytes()

        with scratch_folder(lake) as folder:
            assert [folder] == list(lake.iterdir())

    def test_of_a_live_process(self, lake, run):
        """What a live process holds is left alone."""
        _, held = run(HOLD_SCRATCH, lake)

        with scratch_folder(lake):
            pass

        assert b"half" == (Path(held) / "part.parquet").read_bytes()

    @pytest.mark.parametrize(("age", "stays"), [(0, True), (EIGHT_DAYS, False)])
    def test_of_another_host(self, lake, run, age, stays):
        """What another host left is removed when it is more than a week old."""
        self.check_of_another_host(lake, run, age, stays, alive=False)

    def test_of_a_live_host(self, lake, run):
        """What another host still holds is left alone, however old."""
        self.check_of_another_host(lake, run, EIGHT_DAYS, stays=True, alive=True)

    def check_of_another_host(self, lake, run, age, stays, alive):
        process, name = run(HOLD_SCRATCH, lake)
        if not alive:
            process.kill()
            process.wait()
        theirs = lake / Path(name).name.replace(os.uname().nodename, "another-host")
        Path(name).rename(theirs)
        os.utime(theirs, (time.time() - age,) * 2)

        with scratch_folder(lake):
            assert stays is theirs.exists()

    @pytest.mark.parametrize("alive", [True, False])
    def test_no_locks(self, lake, run, no_locks, alive):
        """Where there are no locks, the process decides whether its scratch space is abandoned."""
        process, name = run(HOLD_SCRATCH, lake)
        if not alive:
            process.kill()
            process.wait()

        with scratch_folder(lake):
            assert alive is Path(name).exists()

    def test_of_an_earlier_version(self, lake):
        """Scratch space whose name says nothing of a host is removed when it is a week old."""
        new, old = lake / ".mailpartner-landing-abcdefgh", lake / ".mailpartner-landing-stuvwxyz"
        for folder in (new, old):
            folder.mkdir()
        os.utime(old, (time.time() - EIGHT_DAYS,) * 2)

        with scratch_folder(lake):
            assert (True, False) == (new.exists(), old.exists())

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
    def test_of_another_user(self, run, caplog):
        """What may not be removed is named in a warning, and the landing goes on."""
        lake = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
        lake.chmod(0o1777)
        try:
            process, name = run(HOLD_SCRATCH, lake)
            process.kill()
            process.wait()
            os.seteuid(65534)
            try:
                publish(lake)
            finally:
                os.seteuid(0)
            (warning,) = [
                each.getMessage() for each in caplog.records if each.levelname == "WARNING"
            ]
            assert f"Cannot remove the scratch folder {name} of a killed landing" in warning
        finally:
            shutil.rmtree(lake)


class TestErrors:
    @pytest.fixture
    def blocked(self, lake):
        """A destination, and a file where its folders should be."""
        (lake / "a").write_bytes(b"")
        return LocalFolder(lake)

    @pytest.mark.parametrize(
        ("verb", "act"),
        [
            ("read", lambda place, file: place.read("a/1")),
            ("read", lambda place, file: place.info("a/1")),
            ("read", lambda place, file: place.fetch("a/1", file)),
            ("read", lambda place, file: place.publish(file, "a/1", None)),
            ("read", lambda place, file: place.remove({"a/1": "x"})),
        ],
    )
    def test_named(self, blocked, lake, tmp_path, verb, act):
        """Whatever goes wrong is an OSError of one line that says what could not be done where."""
        file = tmp_path / "file"
        file.write_bytes(b"x")

        with pytest.raises(OSError) as caught:
            act(blocked, file)

        assert f"cannot {verb} {lake}/a/1: Not a directory" == str(caught.value)

    def test_root_is_a_file(self, tmp_path):
        """A root that cannot be a folder is named."""
        (tmp_path / "lake").write_bytes(b"")
        place = tmp_path / "lake" / "x"

        with pytest.raises(OSError, match=f"^cannot write {place}: "), LocalFolder(place).scratch():
            pass

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
    def test_read_only(self):
        """A folder that may not be written is named."""
        lake = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
        lake.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(OSError, match=f"^cannot write {lake}: Permission denied$"):
                publish(lake)
        finally:
            os.seteuid(0)
            shutil.rmtree(lake)

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
    def test_unreadable_folder(self):
        """A folder that may not be listed is named, and not taken for an empty one."""
        lake = Path(tempfile.mkdtemp(prefix="mailpartner-tests-"))
        lake.chmod(0o755)
        (lake / "dt=1").mkdir(mode=0o700)
        os.seteuid(65534)
        try:
            with pytest.raises(OSError, match=f"^cannot list {lake}/dt=1: Permission denied$"):
                LocalFolder(lake).list_files("dt=")
        finally:
            os.seteuid(0)
            shutil.rmtree(lake)

    def test_full(self, lake):
        """A disk that takes no more keeps the old file, and is named."""
        publish(lake, content=b"old")
        destination = LocalFolder(lake)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        copy = lake / "copy"
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                destination.fetch(NAME, copy)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)

        assert b"old" == (lake / NAME).read_bytes()
