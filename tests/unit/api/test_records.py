"""One raw record, of every odd shape, becomes a typed row or a reason why not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from itertools import cycle
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from mailpartner_provider.api.records import Rejected, Unsubscribe, read_record
from mailpartner_provider.exact_json import parse_json
from tests.support.days import PARIS
from tests.support.plain import alike, plain, plain_row, read_plainly, same_row
from tests.support.strategies import EPOCH, RAW_RECORDS, SPACES, STYLES, ZONES, rendered

LONG = "9" * 5000


def read(**members):
    return read_record({"id": 1, "email": "a@example.com", **members}, PARIS)


@given(RAW_RECORDS, STYLES, ZONES)
def test_contract(raw, style, zone):
    """A raw record becomes the row that the contract describes, or is rejected."""
    text = rendered(raw, cycle(style))
    expected = plain_row(plain(read_plainly(text)), zone)

    row = read_record(parse_json(text), zone)

    if expected is None:
        assert isinstance(row, Rejected)
        kept = read_plainly(json.dumps(row.record))
        assert alike(plain(read_plainly(text)), plain(kept))
    else:
        at = None if row.created_at is None else EPOCH + timedelta(microseconds=row.created_at)
        assert same_row(expected, row.id, row.email, at, row.extra_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19", 19),
        ("0", 0),
        ("-0", 0),
        ("-7", -7),
        ("9007199254740993", 2**53 + 1),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ('"19"', 19),
        ('"-19"', -19),
        ('"0019"', 19),
        ('"9007199254740993"', 2**53 + 1),
        pytest.param(f'"-{"0" * 5000}19"', -19, id="many zeros"),
        ("9223372036854775808", "id does not fit 64 bits"),
        ("-9223372036854775809", "id does not fit 64 bits"),
        ('"9223372036854775808"', "id does not fit 64 bits"),
        pytest.param(LONG, "id does not fit 64 bits", id="long"),
        pytest.param(f'"{LONG}"', "id does not fit 64 bits", id="long text"),
        ("null", "id is missing"),
        ("true", "id is not an integer"),
        ("19.0", "id is not an integer"),
        ("1e400", "id is not an integer"),
        ('""', "id is not an integer"),
        ('"-"', "id is not an integer"),
        ('"+19"', "id is not an integer"),
        ('" 19"', "id is not an integer"),
        ('"19\\n"', "id is not an integer"),
        ('"1_9"', "id is not an integer"),
        ('"19.0"', "id is not an integer"),
        ('"0x13"', "id is not an integer"),
        ('"١٩"', "id is not an integer"),
        ("[19]", "id is not an integer"),
        ('{"id": 19}', "id is not an integer"),
    ],
)
def test_id(text, expected):
    """A usable id is a JSON integer, or digits with an optional minus, within int64."""
    row = read(id=parse_json(text))

    assert expected == (row.reason if isinstance(row, Rejected) else row.id)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("null", "email is missing"),
        ("33", "email is not text"),
        pytest.param(LONG, "email is not text", id="long"),
        ("1e400", "email is not text"),
        ("0.30000000000000000001", "email is not text"),
        ("true", "email is not text"),
        ('["a@example.com"]', "email is not text"),
        ('""', "email is blank"),
        (json.dumps("".join(SPACES)), "email is blank"),
        *((json.dumps(space), "email is blank") for space in SPACES),
    ],
)
def test_unusable_email(text, reason):
    """An e-mail that is no text, or white space of whatever kind, is not usable."""
    assert reason == read(email=parse_json(text)).reason


@pytest.mark.parametrize(
    "email", [" x ", "\u200b", "\ufeff", "\x00", "no at", "a@b@c", "\u00a0é\u2028", "1e400", "0"]
)
def test_usable_email(email):
    """An e-mail with something in it besides white space stands as the API gave it."""
    assert Unsubscribe(1, email, None, None) == read(email=email)


def test_half_of_a_pair():
    """Half of a surrogate pair, which UTF-8 cannot carry, is replaced, and kept among the extra."""
    row = read(email="a\ud800@example.com", reason="\udfff")

    assert "a\ufffd@example.com" == row.email
    assert {"reason": "\udfff", "email": "a\ud800@example.com"} == json.loads(row.extra_fields)


@pytest.mark.parametrize("raw", [None, True, 5, "a@example.com", [], [1, "a@example.com"]])
def test_no_object(raw):
    """What is no object is rejected as it is."""
    assert Rejected("record is not an object", raw) == read_record(raw, PARIS)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2015-07-20 10:19:45", "2015-07-20T08:19:45"),
        ("2015-07-20T10:19:45", "2015-07-20T08:19:45"),
        ("2015-12-20 10:19:45", "2015-12-20T09:19:45"),
        ("2015-07-20 10:19:45.5", "2015-07-20T08:19:45.500000"),
        ("2015-07-20 10:19:45.123456", "2015-07-20T08:19:45.123456"),
        ("2015-07-20 10:19:45.123456000", "2015-07-20T08:19:45.123456"),
        ("2015-07-20T10:19:45Z", "2015-07-20T10:19:45"),
        ("2015-07-20T10:19:45+02:00", "2015-07-20T08:19:45"),
        ("2015-07-20T10:19:45-0330", "2015-07-20T13:49:45"),
        ("2015-07-20 10:19:45 +02", "2015-07-20T08:19:45"),
        ("2015-07-20T10:19:45.25+00:00", "2015-07-20T10:19:45.250000"),
        ("2025-10-26 02:30:00", "2025-10-26T00:30:00"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00"),
        ("1900-01-01 00:00:00", "1899-12-31T23:50:39"),
        ("1969-12-31 23:59:59.999999", "1969-12-31T22:59:59.999999"),
        ("0001-01-02 00:00:00", "0001-01-01T23:50:39"),
        ("9999-12-31 23:59:59", "9999-12-31T22:59:59"),
        ({"date": "2015-07-20 10:19:45.000000", "timezone_type": 3, "timezone": "Europe/Paris"},
         "2015-07-20T08:19:45"),
        ({"date": "2015-07-20 10:19:45.5", "timezone": "America/New_York"},
         "2015-07-20T14:19:45.500000"),
        ({"date": "2015-07-20 10:19:45.000000", "timezone_type": 1, "timezone": "+05:30"},
         "2015-07-20T04:49:45"),
        ({"date": "2015-07-20 10:19:45", "timezone": "Z"}, "2015-07-20T10:19:45"),
    ],
)  # fmt: skip
def test_created_at(created, expected):
    """``createdAt`` is naive text, ISO with an offset, or a date with a zone; stored in UTC."""
    row = read(createdAt=created)

    at = EPOCH + timedelta(microseconds=row.created_at)
    assert expected == at.replace(tzinfo=None).isoformat()
    assert row.extra_fields is None


def test_no_created_at():
    """``null`` and absent are null, and leave nothing among the extra fields."""
    assert Unsubscribe(1, "a@example.com", None, None) == read(createdAt=None) == read()


@pytest.mark.parametrize(
    "created",
    [
        "", " ", "soon", "0000-00-00 00:00:00", "0001-01-01 00:00:00", "2015-02-29 10:19:45",
        "2015-13-01 10:19:45", "2015-07-20 24:00:00", "2015-07-20 10:60:45", "2016-12-31 23:59:60",
        "2015-07-20", "2015-07-20 10:19", "15-07-20 10:19:45", "2015-7-20 10:19:45",
        "20150720T101945", "20/07/2015 10:19:45", "2015-07-20  10:19:45", " 2015-07-20 10:19:45",
        "2015-07-20 10:19:45\n", "2015-07-20 10:19:45.", "2015-07-20 10:19:45,5",
        "2015-07-20 10:19:45z", "2015-07-20T10:19:45+2", "2015-07-20T10:19:45+24:00",
        "2015-07-20T10:19:45+02:60", "2015-07-20T10:19:45+02:00:00", "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00", "２015-07-20 10:19:45", "1437380385",
        1437380385, 1437380385.5, True, False, 0, [], ["2015-07-20 10:19:45"], {}, {"date": None},
        {"date": "2015-07-20 10:19:45"}, {"timezone": "Europe/Paris"},
        {"date": "soon", "timezone": "Europe/Paris"},
        {"date": 1437380385, "timezone": "Europe/Paris"},
        {"date": "2015-07-20 10:19:45", "timezone": 2},
        {"date": {"date": "2015-07-20 10:19:45", "timezone": "UTC"}, "timezone": "UTC"},
        {"date": "2015-07-20 10:19:45Z", "timezone": "+02:00"},
    ],
)  # fmt: skip
def test_no_date(created):
    """A ``createdAt`` that is no date is null, and its raw value stands among the extra fields."""
    row = read(createdAt=created)

    assert row.created_at is None
    assert {"createdAt": created} == json.loads(row.extra_fields)


@pytest.mark.parametrize(
    "name",
    ["", "Mars", "CEST", "Europe", "Europe/", "Europe/Paris\n", "../UTC", "/etc/localtime", "é",
     "zone.tab", "\0", "\ud800", "+25:00", "+02:60", pytest.param("x" * 5000, id="long"),
     pytest.param("x/" * 1000 + "x", id="deep")],
)  # fmt: skip
def test_no_zone(name):
    """A date with the name of no zone is no date."""
    dumped = {"date": "2015-07-20 10:19:45", "timezone": name}

    assert {"createdAt": dumped} == json.loads(read(createdAt=dumped).extra_fields)


@pytest.mark.parametrize(
    "created",
    [
        "2015-07-20 10:19:45.1234567",
        {"date": "2015-07-20 10:19:45.1234567", "timezone": "Europe/Paris"},
        {"date": "2015-07-20 10:19:45.123456", "timezone": "Europe/Paris", "note": "x"},
    ],
)
def test_more_than_a_date(created):
    """What microseconds cannot hold stands among the extra fields, beside the instant."""
    row = read(createdAt=created)

    assert (
        timedelta(microseconds=row.created_at)
        == datetime(2015, 7, 20, 8, 19, 45, 123456, timezone.utc) - EPOCH
    )
    assert {"createdAt": created} == json.loads(row.extra_fields)


@pytest.mark.parametrize("zone", ["Africa/Monrovia", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_zone(zone):
    """A naive ``createdAt`` is read in the zone that was given, whatever its odd offset."""
    row = read_record({"id": 1, "email": "a", "createdAt": "1971-06-01 12:00:00"}, ZoneInfo(zone))

    local = datetime(1971, 6, 1, 12, tzinfo=ZoneInfo(zone))
    assert (local - EPOCH) // timedelta(microseconds=1) == row.created_at


def test_extra_fields():
    """Fields that are not known stand in the order of the answer, with their exact values."""
    row = read_record(
        parse_json(
            '{"b": 0.1, "id": 1, "a": [9007199254740993, {"x": null}], "email": "a",'
            ' "c": 0.30000000000000000001, "é": 1e400, "n": 1.50, "d": "0000"}'
        ),
        PARIS,
    )

    assert (
        '{"b":0.1,"a":[9007199254740993,{"x":null}],"c":"0.30000000000000000001",'
        '"\\u00e9":"1e400","n":1.5,"d":"0000"}'
    ) == row.extra_fields


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "NaN", "Infinity", "-Infinity", "[1,]", "[1 2]", "{1: 2}", "'a'", '"\n"', '"\\x"',
        "01", "+1", ".5", "1.", "0x1", "tru", "[] []", "// []", "\ufeff[]", "\x00", "[1]\x00",
        "\xa0[]",
    ],
)  # fmt: skip
def test_strict(text):
    """What is not JSON is not read."""
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e-99999999999999999999"])
def test_beyond_reckoning(number):
    """A number that no arithmetic can hold is kept as its text."""
    assert number == parse_json(number)
