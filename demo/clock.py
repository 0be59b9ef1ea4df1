"""Run a module with another clock: ``python -m demo.clock MOMENT MODULE ...``."""

from __future__ import annotations

import runpy
import sys
from datetime import datetime

import time_machine


def main() -> None:
    """Start the module at the moment; its clock goes on from there."""
    _, moment, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    with time_machine.travel(datetime.fromisoformat(moment), tick=True):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
