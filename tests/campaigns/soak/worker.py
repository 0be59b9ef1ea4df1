"""Land, push and confirm as standard input orders, one task a line, each on its own day."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import time_machine

from tests.support.days import PARIS
from tests.support.landing import land
from tests.support.pushing import confirm, push_with_journal

TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "land": lambda order: land(
        order["destination"], snapshot_date=order["day"], max_rejected=10**6
    ),
    "push": lambda order: push_with_journal(
        order["destination"], source=order["source"], run=order["run"]
    ),
    "confirm": lambda order: confirm(order["destination"], max_missing=10**6),
}


def main() -> None:
    """Work until standard input ends; answer each order with a line on standard output."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed is part of the log
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    for line in sys.stdin:
        order = json.loads(line)
        noon = datetime.combine(datetime.fromisoformat(order["day"]), time(12), PARIS)
        answer = {"error": None, "receipt": None}
        with time_machine.travel(noon), contextlib.redirect_stdout(sys.stderr):
            try:
                answer["receipt"] = TASKS[order["task"]](order)
            except Exception as error:
                logging.exception("not done")
                answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
