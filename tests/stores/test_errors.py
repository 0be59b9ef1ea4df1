"""Whatever goes wrong with a store is one line that names the place."""

from __future__ import annotations

import resource

import fsspec
import pytest

from mailpartner_provider.lake.storage import LocalFolder, ObjectStore
from tests.support.landing import land

pytestmark = pytest.mark.usefixtures("temporary")


class Broken(fsspec.AbstractFileSystem):
    """A store that answers nothing but errors."""

    protocol = "broken"
    cachable = False

    def __getattribute__(self, name):
        if name in {"open", "ls", "size", "get_file", "put_file", "rm_file"}:
            return self.break_off
        return super().__getattribute__(name)

    def break_off(self, *args, **kwargs):
        raise RuntimeError("no signature")


class TestErrors:
    @pytest.fixture
    def blocked(self, tmp_path):
        """A local destination, and a file where its folders should be."""
        (tmp_path / "lake").mkdir()
        (tmp_path / "lake" / "a").write_bytes(b"")
        return LocalFolder(tmp_path / "lake")

    @pytest.mark.parametrize(
        ("verb", "act"),
        [
            ("read", lambda place, file: place.read("a/1")),
            ("read", lambda place, file: place.digest("a/1")),
            ("read", lambda place, file: place.fetch("a/1", file)),
            ("write", lambda place, file: place.publish(file, "a/1")),
            ("remove", lambda place, file: place.remove("a/1")),
            ("list", lambda place, file: place.list_folder("a")),
        ],
    )
    def test_named(self, kind, blocked, tmp_path, verb, act):
        """Whatever goes wrong is an OSError of one line that says what could not be done where."""
        places = {
            LocalFolder: (blocked, f"{tmp_path}/lake/a"),
            ObjectStore: (ObjectStore(Broken(), "lake"), "broken://lake/a"),
        }
        destination, place = places[kind]
        file = tmp_path / "file"
        file.write_bytes(b"x")

        with pytest.raises(OSError) as caught:
            act(destination, file)

        assert str(caught.value).startswith(f"cannot {verb} {place}")
        assert 1 == str(caught.value).count("cannot")
        assert "\n" not in str(caught.value)

    def test_root_is_a_file(self, tmp_path):
        """A root that cannot be a folder is named."""
        (tmp_path / "lake").write_bytes(b"")

        place = tmp_path / "lake" / "x"

        with pytest.raises(OSError, match=f"cannot write {place}"), LocalFolder(place).scratch():
            pass

    def test_full(self, api, lake):
        """A disk that takes no more leaves the old partition, and is named."""
        land(lake)
        before = lake.files()
        api.unsubscribes = [{"id": key, "email": f"{key}@example.com"} for key in range(50_000)]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        try:
            with pytest.raises(OSError, match=f"^cannot write scratch files in {lake}/"):
                land(lake)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert before == lake.files()
