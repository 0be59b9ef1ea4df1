"""The contract for a whole answer, to compare with what the package makes of its bytes.

``assert_right`` is the one invariant that the tests and the fuzzer share. For any bytes, however
they arrive: the fast way, the exact way and ``json.loads`` agree; an answer that is not good is an
error of ours, without a byte of it; and a landing publishes all of an answer, or changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

import mailpartner_provider
from mailpartner_provider.api import source as source_module
from mailpartner_provider.api.blocks import Block, decode_exactly, decode_fast
from mailpartner_provider.api.source import BLOCK_BYTES
from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.days import day_of
from mailpartner_provider.errors import MailPartnerError
from mailpartner_provider.exact_json import MAX_NESTING
from mailpartner_provider.lake.local import LocalFolder
from mailpartner_provider.lake.names import partition_file, receipt_file, rejected_file
from mailpartner_provider.lake.receipts import SnapshotReceipt
from mailpartner_provider.schemas import snapshot_schema
from mailpartner_provider.snapshots.landing import land_snapshot
from mailpartner_provider.snapshots.request import Limits, SnapshotRequest
from tests.support.days import PARIS
from tests.support.lake import files
from tests.support.plain import Pairs, alike, plain, plain_row, read_plainly, same_row

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=timezone.utc)
TODAY, LONG_AGO = date(2026, 11, 22), date(2003, 6, 15)
#: What is nested less deep than this is read: its record, in the list of a block.
SURELY_READ = MAX_NESTING

_LENIENT = Limits(max_rejected=sys.maxsize, max_shrink=None)


class Case(NamedTuple):
    """An answer, how it arrives and is cut into blocks, the zone to read it in, the day to land.

    A day long ago makes the snapshot a backdated one; without a day the answer is only read.
    """

    body: bytes
    chunks: list[bytes]
    block_bytes: int
    zone: ZoneInfo
    day: date | None


def assert_right(case: Case):
    """Check the package against the contract: it decodes the answer, and lands it, as it should."""
    body, chunks, block_bytes, zone, day = case
    assert_read_right(body, chunks, block_bytes, zone)
    block = body[body.find(b"[") + 1 : body.rfind(b"]")]
    if depth(block) < SURELY_READ:
        assert_ways_agree(block, zone)
    if day:
        with TemporaryDirectory() as folder:
            assert_landed_right(case, Path(folder))


def assert_read_right(body: bytes, chunks, block_bytes: int = BLOCK_BYTES, zone=PARIS):
    """Check the stream against the answer read at once: the same records, or an error of ours."""
    rows, rejected, unknown = [], [], set()
    with blocks_of(block_bytes):
        reading = UnsubscribeStream(chunks, zone, observed_at=NOW)
        try:
            for block in reading:
                rows += [tuple(row.values()) for row in block.batch.to_pylist()]
                rejected += [record for _, record in block.rejected]
                unknown |= block.unknown_fields
        except MailPartnerError as error:
            assert_rightly_raised(error, body)
            return
    with room_to_recurse():
        whole = read_whole(body)
        assert whole is not None, "a bad answer passed for a good one"
        records, declared = whole
        usable, others = sorted_out(records, zone)
        assert (len(records), declared) == (reading.received, reading.declared)
        assert len(usable) == len(rows)
        assert all(same_row(row, *found) for row, found in zip(usable, rows, strict=True))
        assert alike(others, plain(read_plainly(json.dumps(rejected))))
        names = chain.from_iterable(record for record in records if isinstance(record, dict))
        assert set(names) - {"id", "email", "createdAt"} == unknown


def assert_ways_agree(text: bytes, zone=PARIS) -> tuple[Block | None, Block | None]:
    """Decode a block both ways; where the fast way answers, they agree to the last bit."""
    fast, exact = decode_fast(text, zone), decode_exactly(text, zone)
    if fast is not None:
        assert exact is not None
        assert fast.batch.equals(exact.batch, check_metadata=True)
        assert (fast.rejected, fast.unknown_fields) == (exact.rejected, exact.unknown_fields)
    return fast, exact


def assert_landed_right(case: Case, lake: Path):
    """Land an answer as it arrives, and again in one piece, where an older landing stands."""
    standing = (partition_file(TODAY), rejected_file(TODAY), "notes.txt")
    for place in (lake / name for name in standing):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"stands here")
    receipts = []
    for arriving in (case, case._replace(chunks=[case.body], block_bytes=BLOCK_BYTES)):
        before = files(lake)
        try:
            receipts.append(landed(arriving, lake))
        except MailPartnerError as error:
            assert_rightly_raised(error, case.body)
            assert before == files(lake)
        else:
            with room_to_recurse():
                assert_published(case, receipts[-1], before, files(lake))
    assert not any(receipt.changed for receipt in receipts[1:])


def assert_published(case: Case, receipt: SnapshotReceipt, before: dict, after: dict):
    """Check the destination against the answer: every record is in its place, and counted."""
    whole = read_whole(case.body)
    assert whole is not None, "a bad answer was published"
    records, declared = whole
    usable, others = sorted_out(records, case.zone)
    over = datetime.combine(case.day + timedelta(days=1), time(), case.zone)
    backdated = case.day == LONG_AGO
    rows = [row for row in usable if not (backdated and row[2] and row[2] >= over)]
    part, told, left = (name(case.day) for name in (partition_file, receipt_file, rejected_file))

    table = pq.read_table(BytesIO(after[part]))
    assert snapshot_schema() == table.schema
    assert len(rows) == table.num_rows
    for row, found in zip(rows, table.to_pylist(), strict=True):
        assert case.day == found.pop("snapshot_date")
        assert same_row(row, *found.values())
    lines = after.get(left, b"").decode("ascii").splitlines()
    assert alike(others, [plain(read_plainly(line))["record"] for line in lines])
    of_the_day = {part: after[part], told: after[told], left: after.get(left)}
    assert {**before, **of_the_day} == {left: None, **after}

    instants = [row[2] for row in rows if row[2]]
    assert json.loads(after[told]) == receipt.as_dict()
    assert receipt.received == receipt.rows + receipt.rejected + receipt.after_cutoff
    assert (declared, len(records)) == (receipt.declared, receipt.received)
    assert (len(rows), len(others)) == (receipt.rows, receipt.rejected)
    assert len(rows) - len(instants) == receipt.null_created_at
    assert len(rows) - len({row[0] for row in rows}) == receipt.duplicate_ids
    assert iso(min(instants, default=None)) == receipt.min_created_at
    assert iso(max(instants, default=None)) == receipt.max_created_at
    assert ("backdated" if backdated else "live") == receipt.status
    assert len(after[part]) == receipt.bytes
    assert hashlib.sha256(after[part]).hexdigest() == receipt.sha256
    assert (before.get(part) != after[part]) == receipt.changed
    assert receipt.unknown_fields.isprintable() and "@" not in receipt.unknown_fields


def assert_rightly_raised(error: MailPartnerError, body: bytes):
    """Check an error against the answer: there is a reason for it, and it shows no byte of it."""
    assert depth(body) >= SURELY_READ or read_whole(body) is None, error
    assert (None, None) == (error.__cause__, error.__context__)
    ours, _, words = str(error).partition("; the API says: ")
    assert words.isprintable() and "@" not in words
    # Counts aside, any six characters of a text of ours stand in the package's own source.
    for part in re.split("[0-9]+", ours):
        runs = (part[at : at + 6] for at in range(len(part) - 5))
        assert not [run for run in runs if run.encode() in body and run not in source()]


def landed(case: Case, lake: Path) -> SnapshotReceipt:
    """Land an answer, on terms that no good one breaks."""
    reading = UnsubscribeStream(case.chunks, case.zone, observed_at=NOW)
    request = SnapshotRequest(case.day, case.zone, LocalFolder(lake), _LENIENT)
    today = day_of(NOW, case.zone)
    with blocks_of(case.block_bytes):
        return land_snapshot(request, today, lambda: reading, lambda _: None)


def read_whole(body: bytes):
    """Read an answer at once: the records, and what is declared; None when it is not good."""
    try:
        whole = read_plainly(body.decode("utf-8-sig"))
    except ValueError:
        return None
    if not isinstance(whole, Pairs) or len(dict(whole)) < len(whole):
        return None
    envelope = dict(whole)
    code, data, declared = (envelope.get(name) for name in ("code", "data", "nbData"))
    if envelope.get("success") is not True or envelope.keys() & {"total", "page", "nb_per_page"}:
        return None
    if "code" in envelope and (type(code) is not int or code != 200):
        return None
    if isinstance(declared, str) and re.fullmatch("[0-9]{1,18}", declared):
        declared = int(declared)
    if declared is not None and (type(declared) is not int or declared < 0):
        return None
    if isinstance(data, Pairs):
        keys = [int(key) if re.fullmatch("[0-9]{1,18}", key) else -1 for key, _ in data]
        if any(key <= before for before, key in pairwise([-1, *keys])):
            return None
        data = [record for _, record in data]
    if data is None and declared == 0:
        data = []
    if not isinstance(data, list) or len(data) < (declared or 0):
        return None
    return plain(data), declared


def sorted_out(records, zone):
    """Type records as the contract says; give the rows, and the records that cannot be one."""
    typed = [(plain_row(record, zone), record) for record in records]
    return [row for row, _ in typed if row], [record for row, record in typed if not row]


def depth(body: bytes) -> int:
    """Return how deep an answer is nested, or would be if it were whole."""
    deepest = now = 0
    for bracket in re.findall(rb"[\[{}\]]", re.sub(rb'"(?:\\.|[^"\\])*"', b"", body)):
        now += 1 if bracket in b"[{" else -1
        deepest = max(deepest, now)
    return deepest


def iso(instant: datetime | None) -> str | None:
    return instant and instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


@cache
def source() -> str:
    """Read the package, as one text."""
    folder = Path(mailpartner_provider.__file__).parent
    return "".join(path.read_text() for path in folder.rglob("*.py"))


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Set the size of the blocks that the stream cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "BLOCK_BYTES", size)
        yield


@contextmanager
def room_to_recurse() -> Iterator[None]:
    """Raise Python's limit for plain code, which recurses more than the decoder does."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
