"""What the project's own files say of each other: commands, workflows, versions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
import yaml

import mailpartner_provider
from tests.support.project import PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w-]+):.*##", MAKEFILE, re.MULTILINE))
LINES, CLOUDS, OTHER_PYTHONS = (
    re.search(rf"^{name} := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    for name in ("VERSIONS", "CLOUDS", "PYTHONS")
)
TARGETS |= {f"test-{each}" for each in (*LINES, *CLOUDS)}
TABLE = PROJECT / "docs" / "versions.md"
TEXTS = sorted(
    [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob(".github/*.md")]
)
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text()) for path in PROJECT.glob(".github/workflows/*.yml")
}
PYTHONS = re.findall(
    r'"Programming Language :: Python :: (3\.\d+)"', (PROJECT / "pyproject.toml").read_text()
)


def commands(workflow: dict) -> Iterator[str]:
    """List the command lines that a workflow runs, once for each value of its matrix."""
    for job in workflow["jobs"].values():
        lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
        for name, values in job["strategy"]["matrix"].items():
            place = f"${{{{ matrix.{name} }}}}"
            lines = [line.replace(place, value) for line in lines for value in values]
        yield from lines


def targets(lines: list[str]) -> set[str]:
    """Return the targets of those lines that call make."""
    return {line.split()[1] for line in lines if line.startswith("make ")}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_targets_in_texts(path):
    """Every make target that a text names has a line in `make help`."""
    named = set(re.findall(r"(?:^|`)make ([a-z][\w.-]*\w)", path.read_text(), re.MULTILINE))

    assert set() == named - TARGETS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow_commands(name):
    """A workflow runs make targets and executable scripts of .ci only, as anybody can by hand."""
    lines = list(commands(WORKFLOWS[name]))

    assert lines
    assert set() == targets(lines) - TARGETS
    for line in lines:
        script = PROJECT / line.split()[0]
        assert line.startswith("make ") or (
            script.parent == PROJECT / ".ci" and os.access(script, os.X_OK)
        )


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow_rights(name):
    """A workflow may read the repository, and no more."""
    assert {"contents": "read"} == WORKFLOWS[name]["permissions"]
    assert not any("permissions" in job for job in WORKFLOWS[name]["jobs"].values())


def test_workflows_are_complete():
    """Everything that .ci/run runs is in a workflow as well."""
    script = (PROJECT / ".ci" / "run").read_text().splitlines()
    lines = [line for workflow in WORKFLOWS.values() for line in commands(workflow)]

    assert targets(script) - {"test-quick"} <= targets(lines)
    assert {f"make test AIRFLOW={line}" for line in (*LINES, *CLOUDS)} <= set(lines)
    assert {f"make test PYTHON={python}" for python in OTHER_PYTHONS} <= set(lines)


def test_pythons():
    """The tests run on the versions of Python that the package is said to be for."""
    assert PYTHONS == sorted(["3.11", *OTHER_PYTHONS], key=lambda python: int(python[2:]))


def test_versions():
    """Each line of Airflow and each Python that is said to be supported stands in the table of
    what the tests said, and nothing failed there."""
    lines = TABLE.read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `test-")]
    tested = {tuple(cell.rpartition(".")[0] for cell in row[1:3]) for row in rows}
    supported = {line for line in LINES if line != "lowest"}

    assert {"0"} == {row[4] for row in rows}
    assert supported == {airflow for airflow, _ in tested}
    assert set(PYTHONS) == {python for _, python in tested}


def test_changelog():
    """The newest entry of CHANGELOG is unreleased, or of the version that is built."""
    newest = re.search(r"^## (.*)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    released = rf"{re.escape(mailpartner_provider.__version__)} - \d{{4}}-\d\d-\d\d"

    assert re.fullmatch(f"Unreleased|{released}", newest)
