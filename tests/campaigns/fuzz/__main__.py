"""Fuzz the decoding and landing of an answer: ``python -m tests.campaigns.fuzz SECONDS``."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from tests.support.bad_answers import ANSWERS, ODD_ANSWERS

FOLDER = Path(".fuzz")
WORDS = [
    *'{}[]:,"', "\\", "},{", "},", "]}", '"success":true', '"code":200', '"nbData":1', '"data":[',
    '"data":{"0":', '{"id":1,"email":"a"}', '"id":', '"email":"a"', '"createdAt":', '"total":',
    "null", "true", "false", "NaN", "-0", "1e400", "1.0", "9223372036854775808", "\\u0069d",
    "\\ud83d\\ude00", "\\ud800", "\\u0000", "2015-07-20 10:19:45", "2011-12-30 12:00:00", "T",
    "+02:00", ".1234567", '{"date":"2015-07-20 10:19:45","timezone":"UTC"}', "\ufeff", "\u00a0",
    "\u2028", "\0", "\r", "\n",
]  # fmt: skip


def main(seconds: str) -> int:
    """Run the fuzzer, and print what it did."""
    corpus = FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    dictionary = FOLDER / "words"
    dictionary.write_text("".join(f'"{escaped(word)}"\n' for word in WORDS))
    options = {
        "max_total_time": seconds,
        "dict": dictionary,
        "artifact_prefix": f"{FOLDER}/",
        "max_len": 4096,
        "timeout": 60,
        "print_final_stats": 1,
    }
    began, inputs = time.monotonic(), "0"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.campaigns.fuzz.target", corpus]
        + [f"-{name}={value}" for name, value in options.items()],
        stderr=subprocess.PIPE,
        text=True,
    ) as fuzzer:
        for line in fuzzer.stderr:
            print(line, end="", flush=True)
            if counted := re.match(r"stat::number_of_executed_units:\s*(\d+)", line):
                inputs = counted[1]
    found = fuzzer.returncode != 0
    if found:
        print(
            f"The bytes of the finding are in {FOLDER}/, and the case that they make stands above, "
            "at 'A finding'.\nMake it a named test with the smallest answer that still fails."
        )
    print(f"fuzz: {inputs} inputs in {time.monotonic() - began:.0f} s, {int(found)} findings")
    return int(found)


def seeds() -> Iterator[bytes]:
    """Yield the answers of the tests, good and bad, and choices for Hypothesis."""
    bodies = [*ODD_ANSWERS.values(), *(answer.body for answer, _, _ in ANSWERS.values())]
    for n, body in enumerate(bodies):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        yield bytes([0, n % 5, n % 6, n % 72]) + text[:4000]
    draw = random.Random(19)
    for size in (100, 300, 1000, 3000):
        for _ in range(10):
            yield b"\1" + draw.randbytes(size)


def escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
