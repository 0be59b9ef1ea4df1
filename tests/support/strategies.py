"""Raw records of every odd shape, and ways to write them as JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Every character that Unicode calls white space.
SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


class Verbatim(NamedTuple):
    """A piece of JSON that is to stand in the text exactly so."""

    text: str


class Members(list):
    """The members of an object, pair by pair: a name may stand there twice."""


#: Texts, many of which look like the structure around them.
TEXTS = st.lists(
    st.sampled_from(
        ["},{", '"data":[', "]}", "},", '{"id":1,"email":"x"},', '"', "\\", "\\u0022", "],[", "é",
         "\u2028", "\U0001f600", "\ufeff", "\x00", "\x1f", "\x7f", "\ud800", "\udc00", "\uffff"]
    )
    | st.text(max_size=4),
    max_size=4,
).map("".join)  # fmt: skip

NUMBERS = st.integers() | st.sampled_from(
    ["0", "-0", "1.0", "-0.0", "1e3", "1E+2", "1.5e-7", "0.1", "0.30000000000000000001", "1e400",
     "9007199254740993.0", "1.7976931348623159e308", "5e-324", "1e-400", "-0e-0", "0e400",
     "1E99999999999999999999", "9" * 1200]
).map(Verbatim)  # fmt: skip

#: JSON of any kind, nested a little.
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(TEXTS, inner), max_size=3).map(Members)
    ),
    max_leaves=6,
)

_WHOLE = st.integers(1, 10**6) | st.sampled_from(
    [2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 0, -1]
)
IDENTIFIERS = st.one_of(
    _WHOLE,
    _WHOLE,
    _WHOLE.map(str),
    st.sampled_from(["007", "-0", "-007", "0" * 30 + "7", "0" * 1200 + "7", "9" * 18, "9" * 19,
                     "9" * 1200, "-" + "9" * 19, "", "-", "+1", " 1", "1 ", "1.0", "1\x00", "١٢"]),
    ANYTHING,
)  # fmt: skip

EMAILS = st.one_of(
    st.sampled_from(["anne@example.com", "björn@example.com", " Carla@Example.com "]),
    st.text(st.sampled_from(SPACES), max_size=3),
    TEXTS,
    ANYTHING,
)

USUAL_CLOCK_TIMES = st.integers(86_400, 2_114_000_000).map(
    lambda seconds: f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
)
#: Clock times around changes of the clocks: of 44.5 minutes, of half an hour, of a whole day.
CHANGING_CLOCK_TIMES = st.builds(
    lambda day, seconds: f"{datetime.fromisoformat(day) + timedelta(seconds=seconds)}",
    st.sampled_from(["1972-01-07", "1986-01-01", "2011-12-30", "2025-10-05", "2025-10-26",
                     "2026-03-29", "2036-10-26"]),
    st.sampled_from([0, 59, 900, 1800, 2670, 3600, 5400, 7200, 9000, 10800, 43200, 86399, -1, -60]),
)  # fmt: skip
#: What ``createdAt`` may say: a clock time, of every spelling, and its near misses.
CLOCK_TIMES = st.one_of(
    USUAL_CLOCK_TIMES,
    CHANGING_CLOCK_TIMES,
    st.builds(
        "{0}{1}{2}{3}".format,
        USUAL_CLOCK_TIMES.map(lambda text: text[:10]),
        st.sampled_from([" 10:19:45", "T10:19:45"]),
        st.sampled_from(["", ".5", ".000000", ".123456", ".1234560", ".1234567", ".", ".x"]),
        st.sampled_from(["", "Z", "+02:00", "-0330", "+05", "+24:00", "+02:60", " +02:00", "+2"]),
    ),
    st.sampled_from([
        "0000-00-00 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1969-12-31 23:59:59",
        "2026-03-29 02:30:00", "2025-10-26 02:30:00", "2016-12-31 23:59:60", "2015-02-29 00:00:00",
        "2015-07-20 24:00:00", "2015-07-20", "2015-07-20 10:19", "20/07/2015 10:19:45",
        "1437380385", "2015-07-20T10:19+02", "2015-7-20 10:19:45.1", "２０15-07-20 10:19:45",
    ]),
)  # fmt: skip

#: Zones to read in, many of which change their clocks in odd ways.
ZONE_KEYS = [
    "Europe/Paris", "UTC", "Africa/Monrovia", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns",
    "Europe/Dublin", "Antarctica/Troll", "Australia/Lord_Howe",
]  # fmt: skip
ZONES = st.sampled_from([ZONE_KEYS[0], *ZONE_KEYS]).map(ZoneInfo)
_NAMES_OF_ZONES = st.sampled_from(
    ["Europe/Paris", "UTC", "Asia/Kathmandu", "+02:00", "-0330", "Z", "CEST", "Mars", "", "Europe",
     "../UTC", "\x00", "\ud800"]
)  # fmt: skip
CREATED_ATS = st.one_of(
    CLOCK_TIMES,
    st.none(),
    st.builds(
        lambda date, zone, more: Members([("date", date), ("timezone", zone), *more]),
        CLOCK_TIMES | ANYTHING,
        _NAMES_OF_ZONES | ANYTHING,
        st.sampled_from([[], [("timezone_type", 3)], [("note", "x")]]),
    ),
    ANYTHING,
)

_USUAL = st.builds(
    lambda n, at: Members([("id", n), ("email", f"a{n}@example.com"), ("createdAt", at)]),
    st.integers(1, 10**6),
    USUAL_CLOCK_TIMES | CHANGING_CLOCK_TIMES,
)
_MEMBERS = st.lists(
    st.one_of(
        st.tuples(st.just("id"), IDENTIFIERS),
        st.tuples(st.just("email"), EMAILS),
        st.tuples(st.just("createdAt"), CREATED_ATS),
        st.tuples(st.sampled_from(["reason", "ID", "data", "},{"]) | TEXTS, ANYTHING),
    ),
    max_size=3,
).map(Members)
#: Records: ordinary ones, and ones with members that are odd, missing, added or there twice.
RAW_RECORDS = st.one_of(
    _USUAL,
    _USUAL,
    st.builds(lambda usual, more: Members([*usual, *more]), _USUAL, _MEMBERS),
    st.builds(
        lambda *values: Members(zip(("id", "email", "createdAt"), values, strict=True)),
        IDENTIFIERS,
        EMAILS,
        CREATED_ATS,
    ),
    _MEMBERS,
    ANYTHING,
)

#: Ways to write JSON, token by token: the white space, and what to escape.
STYLES = st.lists(
    st.tuples(
        st.sampled_from(["", "", " ", "\n", "\r\n\t", "\n    "]),
        st.sampled_from(["none", "none", "some", "all"]),
    ),
    min_size=1,
    max_size=6,
)


def rendered(value, style):
    """Write JSON in a style, of which each token takes the next."""
    gap, escape = next(style)
    if isinstance(value, Verbatim):
        return value.text + gap
    if isinstance(value, Members):
        members = (f"{rendered(n, style)}:{rendered(v, style)}" for n, v in value)
        return f"{{{gap}{','.join(members)}}}{gap}"
    if isinstance(value, list):
        return f"[{gap}{','.join(rendered(item, style) for item in value)}]{gap}"
    if isinstance(value, str) and escape == "all":
        units = value.encode("utf-16-be", "surrogatepass").hex()
        return '"' + re.sub("(.{4})", r"\\u\1", units) + '"' + gap
    plain = escape == "none" and not re.search("[\ud800-\udfff]", str(value))
    return gap + json.dumps(value, ensure_ascii=not plain) + gap
