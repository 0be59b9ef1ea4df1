"""Whole raw records with commas between them: the fast way equals the exact way, or gives up."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta, timezone
from io import BytesIO
from itertools import cycle
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailpartner_provider.api.blocks import decode_exactly, decode_fast
from tests.support.blocks import USUAL, both, created
from tests.support.strategies import (
    ANYTHING,
    CLOCK_TIMES,
    RAW_RECORDS,
    STYLES,
    ZONES,
    Members,
    rendered,
)


@given(st.lists(RAW_RECORDS, max_size=4), STYLES, ZONES)
def test_agree(raws, style, zone):
    """The fast way equals the exact way whenever it gives an answer."""
    tokens = cycle(style)
    _, exact = both(",".join(rendered(raw, tokens) for raw in raws), zone)

    assert len(raws) == exact.received


@given(
    st.lists(
        st.tuples(
            st.sampled_from([7, 8, 2**53 + 1, None]),
            st.sampled_from(["a", "b", "},", "},{", "}", "{", '"}', "é", " ", "", None]),
            CLOCK_TIMES | st.none(),
            st.none() | st.none() | st.none() | ANYTHING,
        ),
        max_size=9,
    ),
    st.sampled_from([int, str]),
    STYLES,
    ZONES,
)
def test_agree_on_single_doubts(rows, write, style, zone):
    """They agree where all is of the right kind, and some rows only are in doubt."""
    tokens, raws = cycle(style), []
    for n, email, at, other in rows:
        raws.append(Members([("id", n and write(n)), ("email", email), ("createdAt", at)]))
        if other is not None:
            raws[-1].append(("reason", other))

    _, exact = both(",".join(rendered(raw, tokens) for raw in raws), zone)

    assert len(raws) == exact.received


@given(
    st.lists(RAW_RECORDS, min_size=1, max_size=3),
    STYLES,
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 3),
            st.binary(max_size=1)
            | st.sampled_from(
                [b"]}", b'{"data":[', b'],"data":[', b"\0", b"\n", b"null", b"}", b","]
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_agree_on_damages(raws, style, damages):
    """The fast way takes no damaged block that the exact way does not take, or takes otherwise."""
    tokens = cycle(style)
    text = ",".join(rendered(raw, tokens) for raw in raws).encode()
    for at, gone, new in damages:
        at %= len(text) + 1
        text = text[:at] + new + text[at + gone :]

    both(text)


@pytest.mark.parametrize("at", range(19))
def test_agree_on_odd_clock_times(at):
    """They agree on whatever stands in the place of one of the nineteen characters of a date."""
    usual = "2015-07-20 10:19:45"
    for odd in "0123456789 -+:.,/TZze\0é":
        both(created(usual[:at] + odd + usual[at + 1 :]))


@pytest.mark.parametrize(
    "text",
    [
        "0000-00-00 00:00:00", "0000-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
        "1969-12-31 23:59:59", "1970-01-01 00:00:00", "1970-01-01 01:00:00", "2036-12-31 23:59:59",
        "2037-01-01 00:00:00", "2037-01-01 01:00:00", "2038-01-19 03:14:08", "1900-01-01 00:00:00",
        "2015-02-29 00:00:00", "2016-02-29 00:00:00", "2015-07-20 24:00:00", "2016-12-31 23:59:60",
        "2015-07-20T10:19:45", "2015-07-20T10+02:00", "2015-07-20 10:19+02", "2015-07-20 10:19Z  ",
        "2015-07-20 10:19:4Z", "2015-07-20 10:19:.5", "20150720T1019450000", "1437380385.00000000",
        "+2015-07-20 10:19:4", "-001-07-20 10:19:45", "2015/07/20 10:19:45", "2015-07-20t10:19:45",
        "2015-07-20\\u000010:19:45", "2015-07-20\n10:19:45", "２015-07-20 10:19", "today",
    ],
)  # fmt: skip
def test_agree_on_named_clock_times(text):
    """They agree on the edges of the years, and on what looks like a date and is none."""
    both(created(text))


@pytest.mark.parametrize(
    "name",
    ["Europe/Paris", "Europe/Dublin", "America/Sao_Paulo", "Africa/Casablanca", "Africa/Monrovia",
     "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Etc/GMT+5"],
)  # fmt: skip
def test_agree_on_zones(name):
    """They agree around every change of the clocks of a zone: skipped hours, repeated ones."""
    zone, hour = ZoneInfo(name), timedelta(hours=1)
    clock_times = []
    for year in (1970, 1972, 1986, 1996, 2009, 2011, 2018, 2025, 2026, 2036):
        at = datetime(year, 1, 1, 12, tzinfo=timezone.utc)
        clock_times.append(at.replace(tzinfo=None))
        while at.year == year:
            if at.astimezone(zone).utcoffset() != (at + 24 * hour).astimezone(zone).utcoffset():
                for local in (at + hour * half / 2 for half in range(48)):
                    local = local.astimezone(zone).replace(tzinfo=None)
                    clock_times += [local - hour, local, local + hour]
            at += 24 * hour
    texts = [created(f"{clock:%Y-%m-%d %H:%M:%S}") for clock in dict.fromkeys(clock_times)]

    exact = decode_exactly(",".join(texts).encode(), zone).batch
    for size in (1, 9, len(texts)):
        for at in range(0, len(texts), size):
            fast = decode_fast(",".join(texts[at : at + size]).encode(), zone)
            assert fast is None or fast.batch.equals(exact.slice(at, size))


@pytest.mark.parametrize("days", [0, 30, 400])
def test_agree_on_a_zone_of_their_own(days):
    """They agree in a zone that Arrow does not know, however much time a block spans."""
    an_hour_ahead = struct.pack(">4s16x6llbB4s", b"TZif", 0, 0, 0, 0, 1, 4, 3600, 0, 0, b"AHD")
    zone = ZoneInfo.from_file(BytesIO(an_hour_ahead), key="Far/Away")
    later = datetime.fromisoformat("2025-01-01 12:00:00") + timedelta(days=days)

    _, exact = both(f"{created('2025-01-01 12:00:00')},{created(f'{later}')}", zone)

    assert 11 == exact.batch.column("created_at")[0].as_py().hour


@pytest.mark.parametrize(
    "record",
    [
        '{"id":1,"id":2,"email":"a"}',
        '{"id":1,"\\u0069d":2,"email":"a"}',
        '{"id":null,"id":2,"email":"a"}',
        '{"id":2,"id":null,"email":"a"}',
        '{"id":1,"email":"a","email":null}',
        '{"id":1,"email":"a","createdAt":null,"createdAt":"2015-07-20 10:19:45"}',
        '{"id":1,"email":"a","createdAt":"2015-07-20 10:19:45","createdAt":null}',
        '{"\\u0069d":1,"email":"\\u0061"}',
        '{"id\\u0000":1,"id":2,"email":"a"}',
        '{"ID":1,"Email":"a"}',
        '{"id":-0,"email":"a"}',
        '{"id":1.0,"email":"a"}',
        '{"id":1e0,"email":"a"}',
        '{"id":"1","email":"a"}',
        '{"id":true,"email":"a"}',
        '{"id":[1],"email":"a"}',
        '{"id":{"id":1},"email":"a"}',
        '{"id":9223372036854775807,"email":"a"}',
        '{"id":9223372036854775808,"email":"a"}',
        '{"id":-9223372036854775808,"email":"a"}',
        '{"id":-9223372036854775809,"email":"a"}',
        '{"id":1,"email":1}',
        '{"id":1,"email":1e400}',
        '{"id":1,"email":["a"]}',
        '{"id":1,"email":"a","createdAt":1437380385}',
        '{"id":1,"email":"a","createdAt":{"date":"2015-07-20 10:19:45","timezone":"UTC"}}',
        '{"id":1,"email":"a","createdAt":""}',
        '{"id":1,"email":"a","createdAt":null}',
        '{"id":1,"email":"a","data":[]}',
        '{"id":1,"email":"\\u0000"}',
        '{"id":1,"email":"a\\u0000b"}',
        '{"id":1,"email":"\\ud83d\\ude00"}',
        '{"id":1,"email":"\\ud83d"}',
        '{"id":1,"email":"\\ude00"}',
        '{"id":1,"email":"\\ude00\\ud83d"}',
        '{"id":1,"email":"\\ud83d\\u0041"}',
        '{"id":1,"\\ud83d":1,"email":"a"}',
        '{"id":1,"email":"\\/\\b\\f\\n\\r\\t\\"\\\\"}',
        '{"id":1,"email":"\x7f\ufeff\uffff\U0010ffff"}',
        '{"id":1,"email":"a"}]}',
        '{"id":1,"email":"},{"}',
        "{}",
        "[]",
        "null",
        "1",
        '"a"',
    ],
)
def test_agree_on_named_records(record):
    """They agree on members that stand twice, on odd numbers, escapes, kinds and nulls."""
    both(record)
    both(f"{USUAL},{record}")
    both(f"{record},{USUAL}")


@pytest.mark.parametrize(
    "text",
    ["1", "007", "-0", "-007", "", "-", "+1", " 1", "1 ", "1\\n", "\\n1", "1.0", "1e3", "١٢", "１",
     "9" * 18, "9" * 19, "9223372036854775807", "9223372036854775808", "-9223372036854775808",
     "-9223372036854775809", pytest.param("0" * 30 + "7", id="many zeros"),
     pytest.param("9" * 5000, id="long")],
)  # fmt: skip
def test_agree_on_ids_as_text(text):
    """They agree on ids that are text, whatever it says."""
    record, usual = f'{{"id":"{text}","email":"a"}}', '{"id":"8","email":"b"}'
    both(record)
    both(f"{usual},{record}")
    both(f"{record},{usual},{USUAL}")


@pytest.mark.parametrize(
    "text", ["2015-02-30 10:19:45", "2015-07-20 10:19:45", "1969-12-31 10:00:00"]
)
@pytest.mark.parametrize("other", ["soon", "", "2015-07-20T10:19:45", "2015-07-20 10:19:45Z"])
def test_agree_on_mixed_clock_times(text, other):
    """They agree where plain clock times, and what only looks so, stand among others."""
    both(f"{created(text)},{created(other)},{USUAL}")
