"""Land what standard input orders, one landing a line, each on the day that it is for."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import datetime, time

import time_machine

from tests.support.days import PARIS
from tests.support.landing import land


def main() -> None:
    """Land until standard input ends; answer each order with a line on standard output."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed is part of the log
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    for line in sys.stdin:
        order = json.loads(line)
        noon = datetime.combine(datetime.fromisoformat(order["day"]), time(12), PARIS)
        answer = {"error": None, "receipt": None}
        with time_machine.travel(noon), contextlib.redirect_stdout(sys.stderr):
            try:
                answer["receipt"] = land(
                    order["destination"], snapshot_date=order["day"], max_rejected=10**6
                )
            except Exception as error:
                logging.exception("not landed")
                answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
