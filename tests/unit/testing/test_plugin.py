"""pytest finds the fixture wherever the package is installed, and pays nothing for it."""

from __future__ import annotations

import subprocess
import sys

TEST = """
import sys

def test_nothing_loaded():
    assert "mailpartner_provider.testing.plugin" in sys.modules
    assert not {"mailpartner_provider.testing.server", "pyarrow", "requests"} & set(sys.modules)

def test_fixture(mailpartner_api):
    import json, os
    mailpartner_api.add("anne@example.com")
    connection = json.loads(os.environ["AIRFLOW_CONN_MAILPARTNER_DEFAULT"])
    assert mailpartner_api.url == connection["host"]

def test_gone():
    import os
    assert "AIRFLOW_CONN_MAILPARTNER_DEFAULT" not in os.environ
"""


def test_plugin(tmp_path):
    """The fixture gives a running stand-in and its connection; until then nothing is loaded."""
    (tmp_path / "test_mine.py").write_text(TEST)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert "3 passed" in done.stdout, done.stdout
