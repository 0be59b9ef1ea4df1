"""The places where snapshots lie keep the same promises, whatever they are made of."""

from __future__ import annotations

import re

import pytest

from mailpartner_provider.errors import Conflict, RequestFailed

PARTITION = "dt=2026-11-22/part-00000.parquet"
RECEIPT = "_receipts/dt=2026-11-22.json"


@pytest.fixture
def destination(place):
    """A destination in each kind of place, whose root does not exist yet."""
    return place.open()


@pytest.fixture
def publish(destination):
    """Publish content under a name, as a landing does; return its version."""

    def publish(name: str, content: bytes, expected: str | None = None) -> str:
        with destination.scratch() as scratch, destination.locked(lambda: None):
            file = scratch / "file"
            file.write_bytes(content)
            return destination.publish(file, name, expected)

    return publish


@pytest.fixture
def remove(destination):
    """Remove a file, as retention does."""

    def remove(name: str, expected: str) -> None:
        with destination.locked(lambda: None):
            destination.remove({name: expected})

    return remove


class TestReading:
    def test_round_trip(self, destination, publish):
        """What was published under a name is read back, byte for byte."""
        publish(PARTITION, b"\x00\r\n\xff")

        assert b"\x00\r\n\xff" == destination.read(PARTITION).data

    def test_fetched(self, destination, publish, tmp_path):
        """A file is copied, byte for byte, a large one too."""
        publish(PARTITION, b"\x00\r\n\xff" * 2**20)

        assert destination.fetch(PARTITION, tmp_path / "copy")
        assert b"\x00\r\n\xff" * 2**20 == (tmp_path / "copy").read_bytes()

    def test_empty_file(self, destination, publish):
        """An empty file is there, and empty."""
        version = publish(RECEIPT, b"")

        assert (b"", version) == destination.read(RECEIPT)
        assert (0, version) == destination.info(RECEIPT)

    def test_nothing_there(self, destination, tmp_path):
        """What does not exist is read as None, and listed as empty."""
        assert destination.read(RECEIPT) is None
        assert destination.fetch(RECEIPT, tmp_path / "copy") is None
        assert destination.info(RECEIPT) is None
        assert {} == destination.list_files("dt=")

    def test_listed(self, destination, publish, remove):
        """The files in the folders that begin so are listed, as they are now."""
        versions = {
            name: publish(name, content)
            for name, content in {
                "a=1/x": b"12",
                "a=2/y": b"",
                "b/a=3": b"1",
                "a=1/b/x": b"1",
                "_a=1/x": b"1",
            }.items()
        }
        listed = {"a=1/x": (2, versions["a=1/x"]), "a=2/y": (0, versions["a=2/y"])}
        assert listed == destination.list_files("a=")

        remove("a=2/y", versions["a=2/y"])
        listed["a=1/x"] = (3, publish("a=1/x", b"123", versions["a=1/x"]))
        del listed["a=2/y"]

        assert listed == destination.list_files("a=")

    def test_all_listed(self, destination, publish):
        """Without a prefix, the files of all folders are listed."""
        for name in (PARTITION, RECEIPT):
            publish(name, b"x")

        assert {PARTITION, RECEIPT} == set(destination.list_files(""))


class TestVersions:
    def test_one(self, destination, publish, tmp_path):
        """However a version is asked for, it is the one that publishing returned."""
        version = publish(PARTITION, b"x")

        assert version == destination.read(PARTITION).version
        assert version == destination.fetch(PARTITION, tmp_path / "copy")
        assert version == destination.info(PARTITION).version
        assert version == destination.list_files("dt=")[PARTITION].version

    def test_changes(self, publish):
        """A file that is replaced by one of the same size has another version."""
        first = publish(PARTITION, b"one")
        second = publish(PARTITION, b"two", first)

        assert first != second


class TestConditions:
    def test_replaced(self, place, publish):
        """A file is replaced whole, by a shorter one too."""
        version = publish(RECEIPT, b"long and old")
        publish(RECEIPT, b"new", version)

        assert {RECEIPT: b"new"} == place.files()

    def test_exists(self, place, publish):
        """A file that exists already is not created."""
        publish(PARTITION, b"theirs")

        with pytest.raises(Conflict, match="was replaced by another landing"):
            publish(PARTITION, b"ours")

        assert {PARTITION: b"theirs"} == place.files()

    def test_stale(self, place, publish):
        """A file that another landing has replaced is not replaced."""
        seen = publish(PARTITION, b"seen")
        publish(PARTITION, b"theirs", seen)

        with pytest.raises(Conflict, match=f"{PARTITION} was replaced"):
            publish(PARTITION, b"ours", seen)

        assert {PARTITION: b"theirs"} == place.files()

    def test_gone(self, place, publish, remove):
        """A file that another landing has removed is not replaced."""
        seen = publish(PARTITION, b"seen")
        remove(PARTITION, seen)

        with pytest.raises(Conflict):
            publish(PARTITION, b"ours", seen)

        assert {} == place.files()

    def test_removed(self, place, publish, remove):
        """What was removed is gone, and nothing else."""
        publish("a/1", b"x")
        version = publish("a/2", b"x")

        remove("a/2", version)

        assert {"a/1": b"x"} == place.files()

    def test_stale_removal(self, place, publish, remove):
        """A file that another landing has replaced is not removed."""
        seen = publish(PARTITION, b"seen")
        publish(PARTITION, b"theirs", seen)

        with pytest.raises(Conflict, match=f"{PARTITION} was replaced"):
            remove(PARTITION, seen)

        assert {PARTITION: b"theirs"} == place.files()

    def test_removed_twice(self, publish, remove):
        """A file that is gone already is a conflict, too."""
        version = publish(PARTITION, b"x")
        remove(PARTITION, version)

        with pytest.raises(Conflict):
            remove(PARTITION, version)

    def test_worth_another_try(self):
        """A conflict is a failure that the next try mends."""
        assert issubclass(Conflict, RequestFailed)


class TestScratch:
    def test_gone(self, place, destination, tmp_path):
        """Scratch space is gone afterwards, and so is every folder that was made for it."""
        with destination.scratch() as scratch, destination.locked(lambda: None):
            (scratch / "file").write_bytes(b"x")

        assert {} == place.files()
        assert [] == list(tmp_path.iterdir())

    def test_gone_after_an_error(self, destination, tmp_path):
        """Scratch space is gone after an error too, and the error comes out as it was."""
        with pytest.raises(KeyError), destination.scratch() as scratch:
            (scratch / "file").write_bytes(b"x")
            raise KeyError

        assert not scratch.exists()
        assert [] == list(tmp_path.iterdir())

    def test_own(self, destination):
        """Two landings at the same time have scratch space of their own."""
        with destination.scratch() as one, destination.scratch() as other:
            (one / "file").write_bytes(b"one")
            (other / "file").write_bytes(b"other")

            assert b"one" == (one / "file").read_bytes()


def test_uri(place, destination):
    """A URI says where a name lies, whether or not it exists."""
    root = re.sub("//.*@", "//", place.uri)
    root = f"file://{root}" if place.kind == "folder" else root

    assert f"{root}/{PARTITION}" == destination.uri(PARTITION)
    assert f"{root}/dt=1/%C3%A9t%C3%A9%20100%25%3F" == destination.uri("dt=1/été 100%?")
