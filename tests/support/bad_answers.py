"""One table of bad answers, and one of answers that are odd, but good."""

from __future__ import annotations

import gzip
import json
from typing import Any

from mailpartner_provider.compat import AirflowFailException
from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.answers import Answer
from tests.support.api import THREE, at_once, cut_off, listing

REFUSED, FAILED, BAD = AirflowFailException, RequestFailed, BadData
GOOD = json.dumps(listing(THREE)).encode()
HTML = {"Content-Type": "text/html; charset=utf-8"}
GZIP = {"Content-Encoding": "gzip"}
XML = {"Content-Type": "application/xml"}
REFUSED_10 = {"success": False, "code": 10, "message": "Clé API incorrecte"}
BILLION_LAUGHS = (
    b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    b"<result><entry>false</entry><entry>10</entry><entry>&b;&c;</entry></result>"
)
FIRST = THREE[0]


def no(code: Any = 7, status: int = 200, **members: Any) -> Answer:
    return at_once({"success": False, "code": code, **members}, status)


def xml(members: dict[str, Any]) -> bytes:
    """Write what XML makes of an answer."""
    return faults.xml()(Answer(members)).body


def one(**members: Any) -> Answer:
    """Answer with one good record, and one made of these members."""
    return at_once(listing([FIRST, members]))


# What is wrong                     the answer                                            which error, and what it says
ANSWERS = {
    # The body
    "empty body":                   (at_once(b""),                                        FAILED, "broken: it is empty"),
    "no content":                   (at_once(b"", 204),                                   FAILED, "HTTP 204"),
    "partial content":              (at_once(GOOD, 206),                                  FAILED, "HTTP 206"),
    "white space only":             (at_once(b" \n\t "),                                  FAILED, "broken: it is empty"),
    "HTML with 200":                (at_once(b"<html>Login</html>", **HTML),              FAILED, "it is text/html, not a JSON object"),
    "XML":                          (at_once(b"<?xml version='1.0'?><result/>", **XML),   FAILED, "it is application/xml, not a JSON object"),
    "XML error":                    (at_once(xml(REFUSED_10), **XML),                     REFUSED, "the API key is wrong: correct it .code 10, .*; the API says: Clé API incorrecte. Airflow"),
    "XML error with 403":           (at_once(xml(REFUSED_10), 403),                       REFUSED, "the API key is wrong: correct it .code 10, .*; the API says: Clé API incorrecte. Airflow"),
    "XML list":                     (at_once(xml(listing(THREE)), **XML),                 BAD,    "XML, which names no fields"),
    "XML with a document type":     (at_once(BILLION_LAUGHS, **XML),                      FAILED, "not a JSON object"),
    "a JSON array":                 (at_once(b"[]"),                                      FAILED, "not a JSON object"),
    "a JSON text":                  (at_once(b'"ok"'),                                    FAILED, "not a JSON object"),
    "cut inside the envelope":      (at_once(GOOD[:20]),                                  FAILED, "broken"),
    "cut inside a record":          (at_once(GOOD[:90]),                                  FAILED, "broken"),
    "cut before the last brace":    (at_once(GOOD[:-1]),                                  FAILED, "broken: it ends too early"),
    "cut, and the length tells":    (cut_off(GOOD[:90]),                                  FAILED, "cut off after 90 of 1090 bytes|connection broke"),
    "whole, and the length differs": (cut_off(GOOD),                                      FAILED, "cut off|connection broke"),
    "something follows":            (at_once(GOOD + b"{}"),                               FAILED, "something follows"),
    "not UTF-8":                    (at_once(GOOD.replace(b"anne", b"\xff\xfe")),         FAILED, "UTF-8"),
    "UTF-16":                       (at_once(GOOD.decode().encode("utf-16")),             FAILED, "not a JSON object"),
    "NaN":                          (at_once(GOOD.replace(b"19,", b"NaN,")),              FAILED, "broken"),
    "trailing comma":               (at_once(GOOD.replace(b"}]", b"},]")),                FAILED, "broken"),
    "missing comma":                (at_once(GOOD.replace(b"}, {", b"} {")),              FAILED, "broken"),
    "a raw line break in a text":   (at_once(GOOD.replace(b"anne", b"an\nne")),           FAILED, "broken"),
    "a comment":                    (at_once(GOOD.replace(b"[{", b"[/* */{")),            FAILED, "broken"),
    "nested without end":           (at_once(b'{"data": ' + b"[" * 100_000),              FAILED, "nesting is too deep"),
    "compressed, cut":              (at_once(gzip.compress(GOOD)[:-9], **GZIP),           FAILED, "cut off inside its compressed body"),
    "compressed, no trailer":       (at_once(gzip.compress(GOOD)[:-1], **GZIP),           FAILED, "cut off inside its compressed body"),
    "compressed, damaged":          (at_once(b"\x1f\x8b\x08" + GOOD, **GZIP),             FAILED, "compressed body is damaged"),
    "compressed, but not":          (at_once(GOOD, **GZIP),                               FAILED, "compressed body is damaged"),
    "compressed in another way":    (at_once(GOOD, **{"Content-Encoding": "br"}),         FAILED, "something else than gzip"),
    # The envelope
    "success missing":              (at_once({"nbData": 0, "data": []}),                  FAILED, "does not say whether it succeeded"),
    "success as text":              (at_once(listing(THREE, success="true")),             FAILED, "reported a failure"),
    "success as a number":          (at_once(listing(THREE, success=1)),                  FAILED, "reported a failure"),
    "success, but another code":    (at_once(listing(THREE, code=201)),                   FAILED, "code 201"),
    "success, but the code is text": (at_once(listing(THREE, code="200")),                FAILED, "reported a failure"),
    "the same member twice":        (at_once(b'{"success": false, "success": true}'),     FAILED, "a member twice"),
    "data missing":                 (at_once({"success": True, "nbData": 3}),             FAILED, "no list of records"),
    "data null":                    (at_once(listing([], data=None, nbData=3)),           FAILED, "no list of records"),
    "data null, nothing declared":  (at_once({"success": True, "data": None}),            FAILED, "no list of records"),
    "data as text":                 (at_once(listing([], data="none")),                   FAILED, "no list of records"),
    "data keyed by name":           (at_once(listing({"anne": FIRST})),                   FAILED, "not ascending numbers"),
    "data keyed twice":             (at_once(b'{"data": {"0": {}, "0": {}}}'),            FAILED, "not ascending numbers"),
    "nbData as words":              (at_once(listing(THREE, nbData="three")),             FAILED, "nbData is not a count"),
    "nbData negative":              (at_once(listing(THREE, nbData=-3)),                  FAILED, "nbData is not a count"),
    "nbData too high":              (at_once(listing(THREE, nbData=4)),                   FAILED, "declares 4 records and holds 3"),
    "a total":                      (at_once(listing(THREE, total=900)),                  BAD,    "the API has begun to page.*has total"),
    "pages":                        (at_once(listing(THREE, page=1, nb_per_page=3)),      BAD,    "begun to page.*has page, nb_per_page"),
    # The API says no
    "code and message":             (no(10, message="Clé API incorrecte"),                REFUSED, "the API key is wrong: .*Clé API incorrecte"),
    "a list of errors":             (no(9, errors=[{"elementId": "x", "message": "m"}]),  FAILED, "code 9, .*; the API says: m"),
    "error as a list":              (no(9, error=[{"message": "a"}, {"message": "b"}]),   FAILED, "the API says: a / b"),
    "error as text":                (no(9, error="because"),                              FAILED, "the API says: because"),
    "a code in words":              (no("NOT_CREDIT", message="m"),                       FAILED, "HTTP 200, .*; the API says: m"),
    "a code as text":               (no("10"),                                            REFUSED, "code 10"),
    "no code":                      (at_once({"success": False}),                         FAILED, "reported a failure"),
    "a long message":               (no(9, message="m" * 5000),                           FAILED, "m{200}$"),
    "the envelope with 403":        (no(10, 403),                                         REFUSED, "code 10"),
    "the envelope with 500":        (no(96, 500),                                         REFUSED, "not on the account's allow list"),
    "HTML with 404":                (at_once(b"<h1>Not found</h1>", 404, **HTML),         REFUSED, "HTTP 404"),
    "HTML with 502":                (at_once(b"<h1>Bad gateway</h1>", 502, **HTML),       FAILED, "HTTP 502"),
    "a redirect to nowhere":        (at_once(b"", 302),                                   FAILED, "HTTP 302"),
    "a redirect elsewhere":         (at_once(b"", 302, Location="https://x.example/"),    REFUSED, "redirects to another host"),
    # Records that cannot be rows
    "a record that is a number":    (at_once(listing([FIRST, 5])),                        BAD,    "record is not an object: 1"),
    "a record that is null":        (at_once(listing([FIRST, None])),                     BAD,    "record is not an object: 1"),
    "no id":                        (one(email="b@example.com"),                          BAD,    "id is missing: 1"),
    "id null":                      (one(id=None, email="b@example.com"),                 BAD,    "id is missing: 1"),
    "id with a point":              (one(id=1.0, email="b@example.com"),                  BAD,    "id is not an integer: 1"),
    "id true":                      (one(id=True, email="b@example.com"),                 BAD,    "id is not an integer: 1"),
    "id in words":                  (one(id="one", email="b@example.com"),                BAD,    "id is not an integer: 1"),
    "id in other digits":           (one(id="١٢", email="b@example.com"),                 BAD,    "id is not an integer: 1"),
    "id of 65 bits":                (one(id=2**63, email="b@example.com"),                BAD,    "id does not fit 64 bits: 1"),
    "id of 5,000 digits":           (one(id="9" * 5000, email="b@example.com"),           BAD,    "id does not fit 64 bits: 1"),
    "no e-mail":                    (one(id=1),                                           BAD,    "email is missing: 1"),
    "e-mail null":                  (one(id=1, email=None),                               BAD,    "email is missing: 1"),
    "e-mail as a number":           (one(id=1, email=33),                                 BAD,    "email is not text: 1"),
    "e-mail as a list":             (one(id=1, email=["b@example.com"]),                  BAD,    "email is not text: 1"),
    "e-mail empty":                 (one(id=1, email=""),                                 BAD,    "email is blank: 1"),
    "e-mail blank":                 (one(id=1, email=" \u00a0\u2003"),                    BAD,    "email is blank: 1"),
}  # fmt: skip


ODD_ANSWERS = {
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "pretty-printed": json.dumps(listing(THREE), indent=4).encode(),
    "white space around": b"\r\n " + GOOD + b" \n",
    "data first": json.dumps(dict(reversed(listing(THREE).items()))).encode(),
    "data numbered": json.dumps(listing(dict(enumerate(THREE)), nbData=3)).encode(),
    "data numbered with gaps": json.dumps(
        listing({"0": THREE[0], "7": THREE[1], "31": THREE[2]}, nbData=3)
    ).encode(),
    "escaped names": GOOD.replace(b'"data"', b'"\\u0064ata"').replace(b'"id"', b'"\\u0069d"'),
    "other members": json.dumps({"meta": [{"data": [1]}, "},{"], **listing(THREE)}).encode(),
    "no code": GOOD.replace(b'"code": 200, ', b""),
    "nbData as text": GOOD.replace(b'"nbData": 3', b'"nbData": "3"'),
    "ids as text": GOOD.replace(b'"id": 19', b'"id": "019"'),
}
