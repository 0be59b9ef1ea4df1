"""Land a list that changes every day, many times, while things go wrong; then count what is lost.

Now and then, opt-outs that were collected elsewhere are pushed, and the next landing confirms them.
Faults, their order and the list are drawn from a seed. A task that fails or is killed is tried
again, as Airflow's retries do. In the end every partition is held against the list of its day, and
the list against everybody who said no.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mailpartner_provider.hooks.connection import key_forms
from mailpartner_provider.lake.names import is_push_file
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.faults import Fault
from mailpartner_provider.testing.server import StandIn
from tests.campaigns.soak.account import MARK, Account, Rows, people, record_key, row_key
from tests.support.bucket import Bucket
from tests.support.lake import files
from tests.support.pushing import opt_outs

FIRST_DAY = date(2020, 1, 1)
LAKE = "s3://aws_default@soak/unsubscribes"
TRIES = 40
PUSH_EVERY = 10  # landings

FAULTS: dict[str, Fault] = {
    "408": faults.failing(408),
    "429": faults.failing(429),
    "500": faults.failing(500),
    "503 until a date": faults.failing(503, datetime(2019, 1, 1, tzinfo=timezone.utc)),
    "HTML with 200": faults.html(),
    "empty": faults.empty(),
    "204": faults.empty(204),
    "refused": faults.refusing(40, f"refused for a{MARK}"),
    "failed with 200": faults.refusing(7, f"failed for a{MARK}", status=200, shape="errors"),
    "truncated, by length": faults.truncated(0.7),
    "truncated, by chunks": faults.truncated(0.3, "chunked"),
    "truncated, nothing tells": faults.truncated(0.6, "close"),
    "reset midway": faults.reset(0.5),
    "compressed, cut": faults.combined(faults.gzipped(), faults.truncated(0.8)),
    "compressed, no trailer": faults.gzipped(trailer=False),
    "declares more": faults.miscounted(3),
    "XML error": faults.combined(faults.refusing(7, "non", status=200), faults.xml()),
    "redirected elsewhere": faults.redirecting(),
}
#: Of an answer without a list.
SHORT_FAULTS = {name: fault for name, fault in FAULTS.items() if name != "declares more"}
ODDITIES: dict[str, Fault] = {
    "slow": faults.slow(0.001, 5000),
    "one byte a chunk": faults.in_pieces(1),
    "compressed": faults.gzipped(),
    "late": faults.late(0.05),
}


@dataclass
class Tally:
    """What happened, and what came of it."""

    landings: int = 0
    pushes: int = 0
    people: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    failed: int = 0
    compared: int = 0
    lost: int = 0
    invented: int = 0
    leaked: int = 0

    def __str__(self) -> str:
        each = "".join(f"\n  {count:>6} {name}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.landings} landings, {self.pushes} pushes, {self.failed} tries that failed, "
            f"{self.kills} kills, "
            f"{self.faults.total()} faults:{each}\n"
            f"soak: {self.compared} records compared, {self.people} people who said no, "
            f"{self.lost} lost, {self.invented} invented, "
            f"{self.leaked} leaked"
        )


def main() -> None:
    """Run a soak; exit with 1 if anything was lost, invented or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.soak", description=__doc__)
    parser.add_argument("--landings", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tally = soak(arguments.landings, arguments.seed)
    print(tally)
    sys.exit(1 if tally.lost or tally.invented or tally.leaked else 0)


def soak(landings: int, seed: int) -> Tally:
    """Land so many days, most in a local folder and some in S3, and look at what lies there.

    What the API's list has in the end is compared, too.
    """
    draw, tally = random.Random(seed), Tally()
    account, expected = Account(draw), dict[tuple[str, date], Rows]()
    with (
        tempfile.TemporaryDirectory() as folder,
        Bucket("soak") as bucket,
        Api(account) as api,
    ):
        lake = Path(folder) / "lake"
        with Worker(api, bucket, Path(folder)) as worker:
            pushed: set[str] | None = None
            for number in range(landings):
                day = FIRST_DAY + timedelta(days=number)
                account.live_through(day)
                api.unsubscribes = account.unsubscribes
                destination = LAKE if number % 5 == 4 else str(lake)
                land_at_last(api, worker, destination, day, draw, tally)
                expected[destination, day] = account.rows()
                if destination == LAKE:
                    continue
                if pushed is not None:
                    confirm_at_last(api, worker, destination, day, account, pushed, draw, tally)
                    pushed = None
                if number % PUSH_EVERY == 0:
                    source = Path(folder) / "opt_outs.parquet"
                    pushed = push_at_last(
                        api, worker, destination, day, account, source, draw, tally
                    )
        compare_people(account, tally)
        stores = {str(lake): files(lake), LAKE: _below("unsubscribes/", bucket)}
        for (destination, day), rows in expected.items():
            compare(rows, _landed(stores[destination], day), tally)
        _check_names(stores, expected, tally)
        log = (Path(folder) / "log").read_text(errors="replace")
        assert f"Landing the snapshot of {FIRST_DAY} (from the argument" in log, (
            "nothing was logged"
        )
        tally.leaked = leaks(log, api.key)
        tally.leaked += leaks(_receipts(stores), api.key)
        left = list((Path(folder) / "tmp").glob(".mailpartner-landing-*"))
        assert not left, left
    return tally


class Api(StandIn):
    """The API, which adds to an account's list."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def add(self, email: str, created_at: str | None = None) -> dict[str, Any]:
        """Add an opt-out to the list; return its raw record."""
        record = self._account.add(email)
        self.unsubscribes = self._account.unsubscribes
        return record


class Worker:
    """A process that lands and pushes; another one takes its place when it is killed."""

    def __init__(self, api: StandIn, bucket: Bucket, folder: Path) -> None:
        self._log = (folder / "log").open("w")
        (folder / "tmp").mkdir()
        self._environment = {
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "AIRFLOW_CONN_MAILPARTNER_DEFAULT": api.connection,
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(bucket.connection),
        }
        self._process = self._start()

    def do(self, task: str, destination: str, day: date, **more: Any) -> dict[str, Any] | None:
        """Order a task; None when the worker was killed over it."""
        order = {"task": task, "destination": destination, "day": day.isoformat(), **more}
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._end()
            self._process = self._start()
        return json.loads(line) if line else None

    def kill(self) -> None:
        """Kill it, wherever it is."""
        self._process.send_signal(signal.SIGKILL)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._log.close()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.soak.worker"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def land_at_last(
    api: StandIn, worker: Worker, destination: str, day: date, draw: random.Random, tally: Tally
) -> None:
    """Land a day as Airflow does with many retries, while things go wrong."""
    tally.landings += 1

    def go_wrong() -> None:
        api.script(*_script(worker, draw, tally, FAULTS, kills=0.05))

    _do_at_last(api, worker, tally, go_wrong, ("land", destination, day))


def push_at_last(
    api: StandIn,
    worker: Worker,
    destination: str,
    day: date,
    account: Account,
    source: Path,
    draw: random.Random,
    tally: Tally,
) -> set[str]:
    """Push what people said elsewhere in the same way; return the new people."""
    tally.pushes += 1
    told = account.hear()
    opt_outs(source, told.rows)

    def go_wrong() -> None:
        for _ in range(3):
            api.script(*[_unchanged] * draw.randrange(9))
            api.script(*_script(worker, draw, tally, SHORT_FAULTS, kills=0.15))

    order = ("push", destination, day)
    receipt = _do_at_last(api, worker, tally, go_wrong, order, source=str(source), run=tally.pushes)
    counts = [receipt["already_listed"], receipt["added"] + receipt["already"], receipt["invalid"]]
    assert [len(told.listed), len(told.new), len(told.invalid)] == counts, receipt
    return told.new


def confirm_at_last(
    api: StandIn,
    worker: Worker,
    destination: str,
    day: date,
    account: Account,
    pushed: set[str],
    draw: random.Random,
    tally: Tally,
) -> None:
    """Confirm a push: only those who were taken off the list since are missing."""
    receipt = _do_at_last(api, worker, tally, lambda: None, ("confirm", destination, day))
    missing = len(pushed & account.taken_off)
    assert [len(pushed), missing] == [receipt["people"], receipt["missing"]], receipt


def _do_at_last(
    api: StandIn,
    worker: Worker,
    tally: Tally,
    go_wrong: Callable[[], None],
    order: tuple[str, str, date],
    **more: Any,
) -> dict[str, Any]:
    for _ in range(TRIES):
        api.behave()
        go_wrong()
        answer = worker.do(*order, **more)
        if answer and answer["receipt"]:
            receipt: dict[str, Any] = answer["receipt"]
            return receipt
        tally.failed += 1
    raise AssertionError(f"{order} was not done in {TRIES} tries: {answer}")


def _script(
    worker: Worker, draw: random.Random, tally: Tally, choices: Mapping[str, Fault], kills: float
) -> Iterator[Fault]:
    """Draw what goes wrong with the next calls; ``kills``: how often the worker is killed."""
    if draw.random() < kills:
        tally.kills += 1
        yield _killing(worker, draw.random(), draw.uniform(-0.02, 0.02))
        return
    while draw.random() < 0.4:
        name = draw.choice(list(choices))
        tally.faults[name] += 1
        yield _at_once(choices[name])
    if draw.random() < 0.2:
        name = draw.choice(list(ODDITIES))
        tally.faults[name] += 1
        yield ODDITIES[name]


def _at_once(fault: Fault) -> Fault:
    """Return the fault, after which the next try comes without a wait."""

    def answer(usual: Answer) -> Answer:
        made = fault(usual)
        return replace(made, headers={"Retry-After": "0", **made.headers})

    return answer


def _killing(worker: Worker, share: float, seconds: float) -> Fault:
    """Kill the worker after a share of the answer, or, with a positive time, so long after it."""

    def pieces(body: bytes) -> Iterator[bytes]:
        if seconds > 0:
            yield body
            time.sleep(seconds)
        else:
            yield body[: int(len(body) * share)]
        worker.kill()

    return lambda usual: replace(usual, body=pieces(usual.whole()))


def compare(expected: Rows, landed: Rows, tally: Tally) -> None:
    """Compare a partition with the list that it was landed from."""
    tally.compared += expected.total()
    tally.lost += (expected - landed).total()
    tally.invented += (landed - expected).total()


def compare_people(account: Account, tally: Tally) -> None:
    """Compare the list with everybody who said no anywhere: each is on it once, and nobody else."""
    listed, said_no = people(account.unsubscribes), Counter(account.said_no)
    tally.people = said_no.total()
    tally.lost += (said_no - listed).total()
    tally.invented += (listed - said_no).total()


def _unchanged(usual: Answer) -> Answer:
    return usual


def leaks(text: str, key: str) -> int:
    """Count the places where the key, in any form, or an address shows."""
    return sum(text.count(secret) for secret in (*key_forms(key), MARK, MARK.replace("@", "%40")))


def _landed(store: Mapping[str, bytes], day: date) -> Rows:
    """Read what lies there of a day: its rows, and its records in quarantine."""
    table = pq.read_table(io.BytesIO(store[f"dt={day}/part-00000.parquet"]))
    columns = ("id", "email", "created_at", "extra_fields")
    rows = ([row[name] for name in columns] for row in table.to_pylist())
    lines = store.get(f"_rejected/dt={day}.jsonl", b"").splitlines()
    quarantine = (record_key(json.loads(line)["record"]) for line in lines)
    return Counter(row_key(*row) for row in rows) + Counter(quarantine)


def _receipts(stores: Mapping[str, Mapping[str, bytes]]) -> str:
    return "\n".join(
        content.decode()
        for store in stores.values()
        for name, content in store.items()
        if name.startswith(("_receipts/", "_pushes/"))
    )


def _check_names(
    stores: Mapping[str, Mapping[str, bytes]],
    expected: Mapping[tuple[str, date], Rows],
    tally: Tally,
) -> None:
    """Count as invented whatever lies in a destination and should not."""
    for destination, store in stores.items():
        days = {day for place, day in expected if place == destination}
        names = {f"dt={day}/part-00000.parquet" for day in days}
        names |= {f"_receipts/dt={day}.json" for day in days}
        names |= {f"_rejected/dt={day}.jsonl" for day in days}
        names |= set(filter(is_push_file, store))
        tally.invented += len(store.keys() - names)


def _below(root: str, bucket: Bucket) -> dict[str, bytes]:
    return {name.removeprefix(root): content for name, content in bucket.items()}


if __name__ == "__main__":
    main()
