"""The envelope of an answer: everything around the records, and whether the API succeeded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import unescape

from mailpartner_provider.errors import BadData, MailPartnerError, RequestFailed, RequestRefused
from mailpartner_provider.masking import masked

UNSUBSCRIBE_LIST = "unsubscribe/list"

#: Codes for which a retry cannot help: the cause, and the cure.
PERMANENT_CODES = {
    1: "the API key is missing: enter it as the connection's password",
    10: "the API key is wrong: correct it",
    20: "the account is disabled: ask Mail Partner to enable it",
    30: "the account is blocked: ask Mail Partner to unblock it",
    40: "the account may not use the API: ask Mail Partner for access",
    96: "this machine's IP address is not on the account's allow list: add it there",
}
TRANSIENT_CODES = {429, 500}
PAGING_FIELDS = ("total", "page", "nb_per_page")

_MESSAGE_LENGTH = 200

# Each repetition can match in one way only, so that no text causes backtracking.
_XML_TEXT = r"[^<]*(?:<!\[CDATA\[[^\]]*(?:\](?!\]>)[^\]]*)*\]\]>[^<]*)*"
_XML_ENTRY = re.compile(f"<entry>({_XML_TEXT})</entry>")
_XML_PAIR = rf"<entry>(?:\s*<entry>{_XML_TEXT}</entry>){{2}}\s*</entry>\s*"
_XML_BEGIN = r"\s*(?:<\?xml[^<>]*\?>\s*)?<result>\s*<entry>\s*"
_XML_SUCCESS = re.compile(rf"{_XML_BEGIN}true\s*</entry>")
_XML_ERROR = re.compile(
    rf"{_XML_BEGIN}false\s*</entry>\s*{_XML_ENTRY.pattern}\s*"
    rf"<entry>({_XML_TEXT}|\s*(?:{_XML_PAIR})+)</entry>\s*</result>\s*"
)


def refusal(
    envelope: Mapping[str, Any],
    *,
    call: str,
    status: int = 200,
    mask: Callable[[str], str] = str,
    method: str = "GET",
) -> MailPartnerError | None:
    """Return the error that an answer reports, or None if it reports success.

    :param envelope: the answer's members, without its records
    :param call: the API call, such as ``unsubscribe/list``
    :param status: the HTTP status; a ``code`` in the body takes precedence
    :param mask: removes the API key from a text
    :param method: the HTTP method of the call
    """
    success, code = envelope.get("success"), read_code(envelope.get("code"))
    if status == 200 and success is True and (code == 200 or "code" not in envelope):
        return None
    kind, message = _classify(status, code, "success" in envelope)
    answered = "" if code is None else f"code {code}, "
    text = f"{message} ({answered}HTTP {status}, {method} /{call}){_api_message(envelope, mask)}"
    return kind(text, call=call, code=code, status=status)


def paging(envelope: Mapping[str, Any], *, call: str) -> MailPartnerError | None:
    """Return an error if the API has begun to page: a first page must not count as the list."""
    found = [name for name in PAGING_FIELDS if name in envelope]
    if not found:
        return None
    return BadData(
        "the API has begun to page, which this version cannot read: upgrade mailpartner-provider "
        f"(the answer of {call} has {', '.join(found)}; its first page is not the whole list)",
        call=call,
    )


def read_xml(body: bytes, *, call: str) -> dict[str, Any] | None:
    """Return the members of an error in XML, named as in JSON; None if it is not an error in XML.

    Only the vendor's documented form is read, by position. No entity is expanded or loaded.

    :raises BadData: it is a list in XML, in which values have no names
    """
    text = body.decode("utf-8-sig", errors="replace")
    if _XML_SUCCESS.match(text):
        raise BadData(
            "the answer is XML, which names no fields: find out what removes the parameter "
            f"_format=json between here and the API ({call})",
            call=call,
        )
    found = _XML_ERROR.fullmatch(text)
    if found is None:
        return None
    code, words = found.groups()
    # An error about arguments has entries of two: the argument, and what is wrong with it.
    errors = [_xml_text(entry) for entry in _XML_ENTRY.findall(words)][1::2]
    members = {"errors": errors} if errors else {"message": _xml_text(words)}
    return {"success": False, "code": _xml_text(code), **members}


def declared_records(envelope: Mapping[str, Any], *, call: str) -> int | None:
    """Return ``nbData``, the number of records that the answer declares.

    :raises RequestFailed: it is not a count
    """
    count = envelope.get("nbData")
    if isinstance(count, str) and re.fullmatch("[0-9]{1,18}", count):
        return int(count)
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise broken("nbData is not a count, so the answer cannot be reconciled", call=call)
    return count


def read_code(value: Any) -> int | None:
    """Return the code of an answer; in errors, some siblings of the API write it as text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,6}", value) and int(value) != 200:
        return int(value)
    return value if type(value) is int and abs(value) < 10**6 else None


def broken(cause: str, *, call: str = UNSUBSCRIBE_LIST) -> RequestFailed:
    """Return the error for an answer that cannot be read; it quotes nothing of the answer."""
    return RequestFailed(f"the answer of {call} is broken: {cause}", call=call)


def _classify(
    status: int, code: int | None, has_success: bool
) -> tuple[type[MailPartnerError], str]:
    if code in PERMANENT_CODES:
        return RequestRefused, PERMANENT_CODES[code]
    if 400 <= status < 500 and status not in (408, 429) and code not in TRANSIENT_CODES:
        return RequestRefused, "the API refused the request: check the Base URL and the API key"
    if status == 200 and not has_success:
        return RequestFailed, "the answer does not say whether it succeeded"
    return RequestFailed, "the API reported a failure"


def _xml_text(text: str) -> str:
    """Return the characters of an XML text."""
    parts = re.split(r"<!\[CDATA\[(.*?)\]\]>", text, flags=re.DOTALL)
    parts[::2] = map(unescape, parts[::2])
    return "".join(parts).strip()


def _api_message(envelope: Mapping[str, Any], mask: Callable[[str], str]) -> str:
    """Return the API's own message, from every member in which it has been seen."""
    keys = ("message", "errors", "error", "error_message")
    words = " / ".join(text for key in keys for text in _messages(envelope.get(key)))
    words = masked(" ".join(mask(words).split()))
    return f"; the API says: {words[:_MESSAGE_LENGTH]}" if words else ""


def _messages(value: Any, depth: int = 4) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [value.get("message")]
    if isinstance(value, list) and depth:
        return [text for part in value for text in _messages(part, depth - 1)]
    return []
