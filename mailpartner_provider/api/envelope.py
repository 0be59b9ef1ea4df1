"""What stands around the records in an answer, and whether the API said yes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import unescape

from mailpartner_provider.errors import BadData, MailPartnerError, RequestFailed, RequestRefused
from mailpartner_provider.masking import masked

#: Codes that asking again cannot mend, and what mends them.
PERMANENT_CODES = {
    1: "the API key is missing: fill in the connection's API key",
    10: "the API key is wrong: correct the connection's API key",
    20: "the account is disabled: ask Mail Partner to enable it",
    30: "the account is blocked: ask Mail Partner to unblock it",
    40: "the account may not use the API: ask Mail Partner for access",
    96: "this machine's IP address is not on the account's allow list: add it there",
}
TRANSIENT_CODES = {429, 500}
PAGING_FIELDS = ("total", "page", "nb_per_page")

_MESSAGE_LENGTH = 200

# Each loop of these can go one way only, so that no text takes long.
_XML_TEXT = r"[^<]*(?:<!\[CDATA\[[^\]]*(?:\](?!\]>)[^\]]*)*\]\]>[^<]*)*"
_XML_ENTRY = re.compile(f"<entry>({_XML_TEXT})</entry>")
_XML_PAIR = rf"<entry>(?:\s*<entry>{_XML_TEXT}</entry>){{2}}\s*</entry>\s*"
_XML_BEGIN = r"\s*(?:<\?xml[^<>]*\?>\s*)?<result>\s*<entry>\s*"
_XML_YES = re.compile(rf"{_XML_BEGIN}true\s*</entry>")
_XML_NO = re.compile(
    rf"{_XML_BEGIN}false\s*</entry>\s*{_XML_ENTRY.pattern}\s*"
    rf"<entry>({_XML_TEXT}|\s*(?:{_XML_PAIR})+)</entry>\s*</result>\s*"
)


def refusal(
    envelope: Mapping[str, Any], *, call: str, status: int = 200, mask: Callable[[str], str] = str
) -> MailPartnerError | None:
    """Say why an answer is not a yes; None when it is one.

    :param envelope: the answer's members, without its records
    :param call: the call that was answered, such as ``unsubscribe/list``
    :param status: the HTTP status; a body that names a code outweighs it
    :param mask: takes the API key out of a text
    """
    success, code = envelope.get("success"), _code(envelope.get("code"))
    if status == 200 and success is True and (code == 200 or "code" not in envelope):
        return None
    text = _message(envelope, mask)
    if code in PERMANENT_CODES:
        return RequestRefused(f"{call}: refused with code {code}; {PERMANENT_CODES[code]}{text}")
    if 400 <= status < 500 and status not in (408, 429) and code not in TRANSIENT_CODES:
        return RequestRefused(
            f"{call}: refused with HTTP {status}{_named(code)}; asking again will not help, "
            f"check the connection's Base URL and API key{text}"
        )
    if status == 200 and "success" not in envelope:
        return RequestFailed(f"{call}: the answer does not say whether it succeeded{text}")
    return RequestFailed(f"{call}: failed with HTTP {status}{_named(code)}{text}")


def paging(envelope: Mapping[str, Any], *, call: str) -> MailPartnerError | None:
    """Say that the API has begun to page: a first page must not pass for the whole list."""
    found = [name for name in PAGING_FIELDS if name in envelope]
    if not found:
        return None
    return BadData(
        f"{call}: the answer carries {', '.join(found)}: the API has begun to page, and this "
        "version would land the first page as the whole list; upgrade mailpartner-provider"
    )


def read_xml(body: bytes, *, call: str) -> dict[str, Any] | None:
    """Read an error that came in XML, as JSON would have named its members; None when it is none.

    Only the vendor's documented form is read, by position. Nothing in it is expanded or loaded.

    :raises BadData: it is a good answer, in which nothing says which value is what
    """
    text = body.decode("utf-8-sig", errors="replace")
    if _XML_YES.match(text):
        raise BadData(
            f"{call}: the answer is XML, which names no fields, and nothing is guessed; "
            "something between here and the API takes the parameter _format=json away"
        )
    found = _XML_NO.fullmatch(text)
    if found is None:
        return None
    code, words = found.groups()
    # An error about arguments has entries of two: the argument, and what is wrong with it.
    errors = [_xml_text(entry) for entry in _XML_ENTRY.findall(words)][1::2]
    members = {"errors": errors} if errors else {"message": _xml_text(words)}
    return {"success": False, "code": _xml_text(code), **members}


def declared(envelope: Mapping[str, Any], *, call: str) -> int | None:
    """Read ``nbData``, the number of records that the answer declares.

    :raises RequestFailed: it is there, but is no count
    """
    count = envelope.get("nbData")
    if isinstance(count, str) and re.fullmatch("[0-9]{1,18}", count):
        return int(count)
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise RequestFailed(f"{call}: nbData is not a count, so the answer cannot be reconciled")
    return count


def _code(value: Any) -> int | None:
    """Read a code; on errors some siblings of the API write it as text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,6}", value) and int(value) != 200:
        return int(value)
    return value if type(value) is int and abs(value) < 10**6 else None


def _xml_text(text: str) -> str:
    """Give the characters of a text in XML."""
    parts = re.split(r"<!\[CDATA\[(.*?)\]\]>", text, flags=re.DOTALL)
    parts[::2] = map(unescape, parts[::2])
    return "".join(parts).strip()


def _named(code: int | None) -> str:
    return "" if code is None else f" and code {code}"


def _message(envelope: Mapping[str, Any], mask: Callable[[str], str]) -> str:
    """Collect the API's own words from every place where it has been seen to put them."""
    keys = ("message", "errors", "error", "error_message")
    words = " / ".join(text for key in keys for text in _texts(envelope.get(key)))
    words = masked(" ".join(mask(words).split()))
    return f"; the API says: {words[:_MESSAGE_LENGTH]}" if words else ""


def _texts(value: Any, depth: int = 4) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [value.get("message")]
    if isinstance(value, list) and depth:
        return [text for part in value for text in _texts(part, depth - 1)]
    return []
