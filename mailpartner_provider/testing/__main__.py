"""Run the stand-in from the command line: ``python -m mailpartner_provider.testing``."""

from __future__ import annotations

import argparse
import shlex
import threading
from contextlib import suppress
from datetime import datetime, timedelta

from mailpartner_provider.testing.faults import FAULTS
from mailpartner_provider.testing.lists import MadeUpList
from mailpartner_provider.testing.server import DEFAULT_KEY, StandIn


def main() -> None:
    """Serve a made-up list until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m mailpartner_provider.testing",
        description="Serve a made-up suppression list on loopback, as the Mail Partner API does.",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port (default: another free port at each start)"
    )
    parser.add_argument(
        "--count", type=int, default=1000, help="unsubscribes on the list (default: 1000)"
    )
    parser.add_argument("--key", default=DEFAULT_KEY, help="API key to accept")
    parser.add_argument(
        "--fault",
        action="append",
        choices=FAULTS,
        default=[],
        help="fault of the next call; may be repeated, one for each call",
    )
    arguments = parser.parse_args()

    last = datetime.fromisoformat("2026-11-01")
    people = MadeUpList(arguments.count, first=last - timedelta(days=3650), last=last)
    with StandIn(people, key=arguments.key, port=arguments.port) as api:
        api.script(*(FAULTS[name]() for name in arguments.fault))
        print(f"export AIRFLOW_CONN_MAILPARTNER_DEFAULT={shlex.quote(api.connection)}")
        print(f"# In the connection form: Base URL {api.url}, API key {api.key}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
