"""Answers of every shape, as bytes: good ones, wrong ones, damaged ones, and cut into chunks."""

from __future__ import annotations

from itertools import cycle, pairwise

from hypothesis import strategies as st

from mailpartner_provider.api.source import BLOCK_BYTES
from tests.support.oracle import LONG_AGO, SURELY_READ, TODAY, Case
from tests.support.strategies import (
    ANYTHING,
    RAW_RECORDS,
    STYLES,
    TEXTS,
    ZONES,
    Members,
    Verbatim,
    rendered,
)

#: Records nested about as deep as is read, and about as deep as Python can.
DEEP_RECORDS = st.builds(
    lambda key, name, depth: Members(
        [("id", key), ("email", "a"), (name, Verbatim("[" * depth + "]" * depth))]
    ),
    st.sampled_from([1, None]),
    st.sampled_from(["reason", "createdAt", "email"]),
    st.integers(SURELY_READ - 10, SURELY_READ + 2) | st.integers(850, 1000),
)
RECORDS = st.lists(RAW_RECORDS, max_size=6) | st.lists(RAW_RECORDS | DEEP_RECORDS, max_size=3)
STEPS = st.sampled_from([0, 0, 1, 3])
COUNTS = st.sampled_from(["right", "right", "right", "text", "fewer", "null", "absent"])
NAMES = st.sampled_from(["meta", "dat", "Data", "nb_data", "0", "},{"]) | TEXTS
OTHERS = st.lists(st.tuples(NAMES, ANYTHING), max_size=2)


@st.composite
def good_members(draw):
    """Members of a good answer: data of either shape, others among them, in any order."""
    raws, step, count = draw(RECORDS), draw(STEPS), draw(COUNTS)
    data = Members((str(step * n), raw) for n, raw in enumerate(raws)) if step else raws
    size = len(raws)
    members = {"success": True, "code": 200, "data": data}
    members["nbData"] = {"text": str(size), "fewer": size // 2, "null": None}.get(count, size)
    if count == "absent":
        del members["code"], members["nbData"]
    elif size == 0 and step == 1:
        members |= {"nbData": 0, "data": None}
    for name, value in draw(OTHERS):
        members.setdefault(name, value)
    return draw(st.permutations(list(members.items())))


WRONG = st.sampled_from(
    [("success", wrong) for wrong in (False, "true", 1, None)]
    + [("code", wrong) for wrong in ("200", "0200", 201, 10, None, True, Verbatim("2e2"), "x")]
    + [("nbData", wrong) for wrong in (10**6, -1, "-1", True, Verbatim("3.0"), "9" * 30, [], "١")]
    + [("data", wrong) for wrong in (None, "[]", 0, False, Members([("a", {})]))]
    + [("data", Members([(key, 1), ("0", 2)])) for key in ("0", "00", "1", "-1", "١")]
    + [("page", 1), ("total", None)]
)


@st.composite
def wrong_members(draw):
    """Members of an answer of which one is wrong, gone, or there twice."""
    good, (name, value), how = draw(good_members()), draw(WRONG), draw(st.integers(0, 3))
    kept = good if how == 0 else [member for member in good if member[0] != name]
    return draw(st.permutations(kept if how == 1 else [*kept, (name, value)]))


def written(members):
    """Write answers: white space and escapes of any kind, sometimes a byte order mark."""
    return st.builds(
        lambda mark, members, style: (mark + rendered(Members(members), cycle(style))).encode(),
        st.sampled_from(["", "", "", "\ufeff"]),
        members,
        STYLES,
    )


GOOD_ANSWERS = written(good_members())
WRONG_ANSWERS = written(wrong_members())


BITS = st.binary(min_size=1, max_size=2) | st.sampled_from(
    [b"},{", b"]}", b"}", b"]", b",", b":", b'"', b"\\", b"e5", b".5", b"null", b"\0", b"\xff"]
    + [b" ", b"\n", b"7", b"a", b"0", b"\xc3\xa9"] * 2
)
HOWS = st.sampled_from(["cut", "flip", "flip", "insert", "insert", "lose", "double"])
DAMAGES = st.lists(st.tuples(HOWS, BITS), min_size=1, max_size=2)


@st.composite
def damaged_answers(draw):
    """Good answers with bytes cut off, flipped, put in, lost or doubled."""
    body = draw(GOOD_ANSWERS)
    for how, new in draw(DAMAGES):
        at, few = draw(st.integers(0, len(body))), new[0] % 40
        body = {
            "cut": body[:at],
            "flip": body[:at] + new[:1] + body[at + 1 :],
            "insert": body[:at] + new + body[at:],
            "lose": body[:at] + body[at + few :],
            "double": body[: at + few] + body[at:],
        }[how]
    return body


@st.composite
def spliced_answers(draw):
    """The beginning of one good answer, and the end of another."""
    one, other = draw(GOOD_ANSWERS), draw(GOOD_ANSWERS)
    return one[: draw(st.integers(0, len(one)))] + other[draw(st.integers(0, len(other))) :]


DAMAGED_ANSWERS = damaged_answers()
SPLICED_ANSWERS = spliced_answers()
CHUNK_SIZES = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 7, 16, 64, 10**6])
BLOCK_SIZES = st.sampled_from([1, 3, 40, 100, 200, 400, BLOCK_BYTES])
DAYS = st.sampled_from([TODAY, TODAY, LONG_AGO])


@st.composite
def cases(draw, bodies, days=DAYS):
    """Cut answers into chunks: of one byte, of one size, in one piece, or anywhere."""
    body = draw(bodies)
    if size := draw(CHUNK_SIZES):
        chunks = pieces(body, size)
    else:
        at = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
        chunks = [body[start:end] for start, end in pairwise([0, *at, len(body)])]
    return Case(body, chunks, draw(BLOCK_SIZES), draw(ZONES), draw(days))


def pieces(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]
