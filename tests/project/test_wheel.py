"""What is shipped: the wheel, in an Airflow that knows nothing of this checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mailpartner_provider import __version__
from tests.support.project import PROJECT

AIRFLOW = [
    "-c",
    "import sys; from airflow.__main__ import main; sys.argv[0] = 'airflow'; main()",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by the project's own build back end."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder)]
    subprocess.run([*uv, str(PROJECT)], check=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def shipped(wheel, tmp_path_factory):
    """The folder into which the wheel alone is installed."""
    folder = tmp_path_factory.mktemp("site")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*uv, "--target", str(folder), str(wheel)], check=True)
    return folder


def airflow(shipped: Path, home: Path, *command: str) -> str:
    """Run a program with the shipped package in place of this checkout's."""
    settings = {
        **os.environ,
        "PYTHONPATH": str(shipped),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    done = subprocess.run(
        [sys.executable, *command], env=settings, cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_description(wheel):
    """The description is README, without links and pictures that lead nowhere outside of it."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        description = archive.read(name).decode().partition("\n\n")[2]

    assert description.startswith("# mailpartner-provider")
    assert "Stores (`docs/guides/stores.md`)" in description
    assert [] == re.findall(r"\]\((?!https?:)[^)]*\)", description)


def test_content(wheel):
    """The wheel has the package, its types, page, licence and all examples; not the tests."""
    names = zipfile.ZipFile(wheel).namelist()
    examples = {path.name for path in PROJECT.glob("dags_examples/*.py")}

    assert "mailpartner_provider/py.typed" in names
    assert "mailpartner_provider/ui/page.html" in names
    assert "mailpartner_daily_s3.py" in examples
    assert {f"mailpartner_provider/example_dags/{name}" for name in examples} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"mailpartner_provider"} == {
        name.partition("/")[0] for name in names if ".dist-info/" not in name
    }


def test_imported_from_the_wheel(shipped, tmp_path):
    """What the next tests look at is the wheel."""
    script = "import mailpartner_provider; print(mailpartner_provider.__file__)"

    assert airflow(shipped, tmp_path, "-c", script).startswith(str(shipped))


def test_provider_is_listed(shipped, tmp_path):
    """`airflow providers list` names the distribution and its version."""
    command = [*AIRFLOW, "providers", "list", "--output", "json"]

    listed = json.loads(airflow(shipped, tmp_path, *command))

    versions = {each["package_name"]: each["version"] for each in listed}
    assert __version__ == versions["mailpartner-provider"]


def test_connection_type_is_known(shipped, tmp_path):
    """Airflow knows the connection type, and whose hook it has."""
    hooks = airflow(shipped, tmp_path, *AIRFLOW, "providers", "hooks")

    assert "mailpartner" in hooks
    assert "Mail Partner" in hooks
