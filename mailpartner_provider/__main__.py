"""Erase people from destinations, by ``python -m mailpartner_provider erase DESTINATION...``.

The addresses are read from standard input, one a line, so that no argument, variable or log holds
them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from contextlib import redirect_stdout
from datetime import datetime, timezone
from typing import Any, TextIO

from mailpartner_provider.errors import MailPartnerError, WrongArgument
from mailpartner_provider.lake.names import PARTITION_PREFIX, RECEIPTS
from mailpartner_provider.privacy.normal_form import is_address
from mailpartner_provider.words import counted


def main(arguments: list[str] | None = None) -> int:
    """Erase people; print a JSON report on each destination, and to stderr one on each line.

    :return: 0, or 1 if something that may hold an address could not be read
    """
    parser = argparse.ArgumentParser(prog="python -m mailpartner_provider")
    command = parser.add_subparsers(required=True, metavar="erase").add_parser(
        "erase",
        help="erase people from destinations; addresses on standard input, one a line",
    )
    command.add_argument("destinations", nargs="+", metavar="DESTINATION")
    command.add_argument(
        "--mailpartner-conn-id",
        action="append",
        default=[],
        help="a connection with a key of email_mode='hmac'; once for each key there has been",
    )
    command.add_argument("--dry-run", action="store_true", help="find people, and change nothing")
    chosen = parser.parse_args(arguments)
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        command.error("standard input is not UTF-8, so nobody would be found")
    lines = {
        number: line.strip() for number, line in enumerate(text.split("\n"), 1) if line.strip()
    }
    if not lines:
        command.error("standard input has no address")
    if wrong := [str(number) for number, line in lines.items() if not is_address(line)]:
        command.error(
            f"no single address: line {', '.join(wrong)} of standard input; nothing was erased"
        )
    reports = sys.stdout
    with redirect_stdout(sys.stderr):  # for Airflow's log
        return _erase_everywhere(chosen, lines, reports)


def _erase_everywhere(chosen: argparse.Namespace, lines: dict[int, str], reports: TextIO) -> int:
    """Erase from one destination after the other, even if an earlier one failed."""
    found_in: Counter[int] = Counter()
    is_complete = True
    for destination in chosen.destinations:
        try:
            report = _erase(destination, lines, chosen)
        except (MailPartnerError, OSError) as error:
            print(f"Not erased: {error}", file=sys.stderr)
            is_complete = False
            continue
        print(json.dumps(report, indent=2), file=reports, flush=True)
        for reason in report["unsearched"]:
            print(f"Not searched: {reason}", file=sys.stderr)
            is_complete = False
        found_in.update({line["line"]: line["found_in"] for line in report["lines"]})
    for number in lines:
        found = f"found in {counted(count, 'file')}" if (count := found_in[number]) else "not found"
        print(f"line {number}: {found}", file=sys.stderr)
    if not is_complete:
        print("Not everything could be read: see above, then erase again", file=sys.stderr)
    return 0 if is_complete else 1


def _erase(destination: str, lines: dict[int, str], chosen: argparse.Namespace) -> dict[str, Any]:
    from mailpartner_provider.hooks.mailpartner import MailPartnerHook
    from mailpartner_provider.hooks.storage import open_destination
    from mailpartner_provider.privacy.erasure import erase

    keys = [MailPartnerHook(conn_id).email_hmac_key() for conn_id in chosen.mailpartner_conn_id]
    opened, erased_at = open_destination(destination), datetime.now(timezone.utc)
    if not (opened.list_folder(RECEIPTS) or opened.list_files(PARTITION_PREFIX)):
        raise WrongArgument(f"nothing has been landed in {opened.uri('')}")
    people = list(lines.values())
    report = erase(opened, people, keys, erased_at, dry_run=chosen.dry_run)
    return {
        "destination": opened.uri(""),
        "people": len(people),
        "erased_at": erased_at.isoformat(timespec="seconds"),
        "dry_run": chosen.dry_run,
        "lines": [
            {"line": number, "found_in": count}
            for number, count in zip(lines, report.found_in, strict=True)
        ],
        "files": [file._asdict() for file in report.files],
        "unsearched": report.unsearched,
    }


if __name__ == "__main__":
    sys.exit(main())
