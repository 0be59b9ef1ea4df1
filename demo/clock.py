"""Run a module with its clock set: ``python -m demo.clock INSTANT MODULE ...``."""

from __future__ import annotations

import runpy
import sys
from datetime import datetime

import time_machine


def main() -> None:
    """Run the module; its clock starts at the instant."""
    _, instant, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    with time_machine.travel(datetime.fromisoformat(instant), tick=True):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
