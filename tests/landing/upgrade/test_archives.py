"""The archives of what earlier versions wrote."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.upgrade import ARCHIVES, EVERY, VERSIONS, assert_vouched, content


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
