"""dbt, in an environment of its own, and a user's project that installs the package from git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.docs import block
from tests.support.project import PROJECT

PROGRAM = PROJECT / ".venv-dbt" / "bin" / "dbt"
PAGE = "docs/guides/dbt.md"

_NAME = "shop"
_GIT = ["git", "-c", "user.name=made-up", "-c", "user.email=made-up@example.com"]


class Dbt:
    """A user's project.

    :param folder: where the project is
    :param output: where dbt builds, as in profiles.yml
    """

    def __init__(self, folder: Path, output: dict[str, Any]) -> None:
        self.folder = folder
        profile = {_NAME: {"target": "test", "outputs": {"test": {"threads": 2, **output}}}}
        (folder / "profiles.yml").write_text(json.dumps(profile))

    def add_model(self, name: str, text: str) -> None:
        """Add a model to the project."""
        folder = self.folder / "models"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.sql").write_text(text)

    def run(self, *command: str, **variables: Any) -> dict[str, str]:
        """Run a command; return the status of each model and test by name."""
        run_dbt(self.folder, *command, "--vars", json.dumps(variables))
        results = json.loads((self.folder / "target" / "run_results.json").read_text())["results"]
        return {each["unique_id"].split(".")[2]: each["status"] for each in results}

    def freshness(self) -> dict[str, Any]:
        """Measure the freshness of the receipts."""
        run_dbt(self.folder, "source", "freshness")
        (found,) = json.loads((self.folder / "target" / "sources.json").read_text())["results"]
        return found

    def compiled(self, name: str) -> str:
        """Return the compiled text of a model or a test."""
        (file,) = (self.folder / "target" / "compiled").rglob(f"{name}.sql")
        return file.read_text()


def make_project(folder: Path) -> Path:
    """Make the documented project, which installs the package from git; return its folder."""
    repository, project = folder / "repository", folder / _NAME
    built = shutil.ignore_patterns("dbt_packages", "logs", "target")
    shutil.copytree(PROJECT / "dbt", repository / "dbt", ignore=built)
    for command in ("init --quiet --initial-branch=main", "add .", "commit --quiet --message=dbt"):
        subprocess.run([*_GIT, *command.split()], cwd=repository, check=True)
    project.mkdir()
    (project / "dbt_project.yml").write_text(block(PAGE, "yaml", f"name: {_NAME}"))
    packages = yaml.safe_load(block(PAGE, "yaml", "packages:"))
    packages["packages"][0]["git"] = repository.as_uri()
    (project / "packages.yml").write_text(yaml.safe_dump(packages))
    run_dbt(project, "deps")
    return project


def output_of(connection: dict[str, Any]) -> dict[str, Any]:
    """Return where dbt builds, for Airflow's connection to a database."""
    if connection["conn_type"] == "duckdb":
        return {"type": "duckdb", "path": connection["host"]}
    return {
        "type": "postgres",
        "host": connection["host"],
        "port": connection["port"],
        "user": connection["login"],
        "password": connection["password"],
        "dbname": connection["schema"],
        "schema": "public",
    }


def run_dbt(folder: Path, *command: str) -> None:
    """Run dbt in the folder of a project, without reports to its makers."""
    if not PROGRAM.exists():
        pytest.fail("dbt is needed: make .venv-dbt/ready")
    done = subprocess.run(
        [PROGRAM, "--no-use-colors", *command],
        cwd=folder,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout  # 1: a model or a test failed
