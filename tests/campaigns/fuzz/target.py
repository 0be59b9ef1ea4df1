"""What the fuzzer runs: makes a case of its bytes, and holds the package against the contract.

An input is one of two things, as its first byte says: the choices from which Hypothesis makes a
case, or an answer itself, after three bytes that say how it arrives and which zone it is read in.

``python -m tests.campaigns.fuzz.target FILE`` runs a single input again.
"""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

import atheris
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

with atheris.instrument_imports(include=["mailpartner_provider"]):
    from tests.support.answers import (
        DAMAGED_ANSWERS,
        GOOD_ANSWERS,
        SPLICED_ANSWERS,
        WRONG_ANSWERS,
        cases,
        pieces,
    )
    from tests.support.oracle import LONG_AGO, TODAY, Case, assert_right
    from tests.support.strategies import ZONE_KEYS

ANSWERS = GOOD_ANSWERS | WRONG_ANSWERS | DAMAGED_ANSWERS | SPLICED_ANSWERS
CHUNK_SIZES = (10**6, 1, 2, 7, 64)
BLOCK_SIZES = (2**21, 1, 3, 40, 100, 400)
DAYS = (*[None] * 6, TODAY, LONG_AGO)  # to land takes far longer than to read


def run(data: bytes) -> None:
    """Run one input; whatever is raised is a finding."""
    if data[:1] == b"\0":
        check(case_of(data))
    else:
        made_up.hypothesis.fuzz_one_input(data[1:])


def case_of(data: bytes) -> Case:
    _, arrives, reads, lands = data[:4].ljust(4, b"\0")
    body = data[4:]
    return Case(
        body,
        pieces(body, CHUNK_SIZES[arrives % len(CHUNK_SIZES)]),
        BLOCK_SIZES[reads % len(BLOCK_SIZES)],
        ZoneInfo(ZONE_KEYS[lands % len(ZONE_KEYS)]),
        DAYS[lands % len(DAYS)],
    )


@settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(ANSWERS, st.sampled_from(DAYS)))
def made_up(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    try:
        assert_right(case)
    except BaseException:
        print(f"\nA finding: assert_right({case})", file=sys.stderr)
        raise


if __name__ == "__main__":
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()
