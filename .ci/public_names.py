"""Use every public name of the wheel, in an environment that has nothing but the wheel."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import mailpartner_provider

PROJECT = Path(__file__).parents[1]
PACKAGE = Path(mailpartner_provider.__file__).parent
OPERATORS = ("landing", "changes", "load", "load_into_iceberg", "push", "confirmation", "deletion")


def main() -> None:
    """Raise an error unless the wheel is what was imported, and is complete."""
    if not PACKAGE.is_relative_to(sys.prefix):
        raise SystemExit(f"{PACKAGE} was imported, which is not the wheel in {sys.prefix}")
    if _names("dags_examples", PROJECT) != _names("example_dags", PACKAGE):
        raise SystemExit("The wheel has other examples than this checkout")
    wheel = distribution("mailpartner-provider")
    if wheel.version != mailpartner_provider.__version__:
        raise SystemExit(f"The wheel says {wheel.version}, __version__ something else")
    points = [point for point in wheel.entry_points if point.group != "pytest11"]  # no pytest here
    for point in points:
        point.load()

    public = runpy.run_path(str(PROJECT / "tests" / "project" / "public_names.py"))
    for operator in OPERATORS:
        public[f"make_{operator}"]()
    with public["make_stand_in"]() as api:
        os.environ["AIRFLOW_CONN_MAILPARTNER_DEFAULT"] = api.connection
        public["call"](public["make_hook"]())
        public["change"](public["make_hook"]())
    for command in public["COMMANDS"]:
        shown = [sys.executable, "-I", "-m", command, "--help"]
        subprocess.run(shown, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    print(f"Used the public names, commands and {len(points)} entry points of {wheel.version}")


def _names(folder: str, parent: Path) -> set[str]:
    """Return the names of the Python files in a folder."""
    return {path.name for path in (parent / folder).glob("*.py")}


if __name__ == "__main__":
    main()
