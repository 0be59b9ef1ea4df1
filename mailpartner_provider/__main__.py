"""Erase people from destinations, by ``python -m mailpartner_provider erase DESTINATION...``.

The addresses are read from standard input, one a line, so that no argument, variable or log holds
them.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from datetime import datetime, timezone

from mailpartner_provider.errors import MailPartnerError, WrongArgument
from mailpartner_provider.lake.names import PARTITION_PREFIX, RECEIPTS


def main(arguments: list[str] | None = None) -> int:
    """Erase, and print the replaced files of each destination as JSON."""
    parser = argparse.ArgumentParser(prog="python -m mailpartner_provider")
    command = parser.add_subparsers(required=True, metavar="erase").add_parser(
        "erase",
        help="erase people from destinations; addresses on standard input, one a line",
    )
    command.add_argument("destinations", nargs="+", metavar="DESTINATION")
    command.add_argument(
        "--mailpartner-conn-id", help="the connection with the key of email_mode='hmac'"
    )
    chosen = parser.parse_args(arguments)
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        command.error("standard input is not UTF-8, so nobody would be found")
    emails = [line.strip() for line in text.split("\n") if line.strip()]
    if not emails:
        command.error("standard input has no address")
    reports = sys.stdout
    with redirect_stdout(sys.stderr):  # for Airflow's log
        try:
            for destination in chosen.destinations:
                report = _erase(destination, emails, chosen.mailpartner_conn_id)
                print(json.dumps(report, indent=2), file=reports, flush=True)
        except (MailPartnerError, OSError) as error:
            print(f"Not erased: {error}", file=sys.stderr)
            return 1
    return 0


def _erase(destination: str, emails: list[str], conn_id: str | None) -> dict[str, object]:
    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.hooks.storage import open_destination
    from mailpartner_provider.privacy.erasure import erase

    keys = [MailPartnerHook(conn_id).email_hmac_key()] if conn_id else []
    opened, erased_at = open_destination(destination), datetime.now(timezone.utc)
    if not (opened.list_folder(RECEIPTS) or opened.list_files(PARTITION_PREFIX)):
        raise WrongArgument(f"nothing has been landed in {opened.uri('')}")
    report = erase(opened, emails, keys, erased_at)
    return {
        "destination": opened.uri(""),
        "people": len(emails),
        "erased_at": erased_at.isoformat(timespec="seconds"),
        "files": [file._asdict() for file in report.files],
    }


if __name__ == "__main__":
    sys.exit(main())
