"""The outcomes of additions to the list and deletions from it, as the answers report them.

In other calls, the same codes have other meanings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from mailpartner_provider.api.envelope import read_code
from mailpartner_provider.api.records import read_identifier

UNSUBSCRIBE_ADD = "unsubscribe/add"
UNSUBSCRIBE_DELETE = "unsubscribe/delete"

ADDED: Literal["added"] = "added"
ALREADY: Literal["already"] = "already"
INVALID: Literal["invalid"] = "invalid"

#: By call, the codes of refusals that are outcomes, not errors.
OUTCOMES = {UNSUBSCRIBE_ADD: {3, 9}, UNSUBSCRIBE_DELETE: {4}}

_ALREADY_LISTED = 3


class AddOutcome(NamedTuple):
    """The outcome of an address: ``added``, ``already`` on the list, or ``invalid``.

    ``id`` is the id of the new record, if the answer has one.
    """

    status: Literal["added", "already", "invalid"]
    id: int | None = None


def is_outcome(members: Mapping[str, Any], *, call: str, status: int) -> bool:
    """Return whether an answer refuses a call with a code that is an outcome, not an error.

    :param status: the HTTP status; 5xx, 408 and 429 are always errors
    """
    in_trouble = status >= 500 or status in (408, 429)
    code = read_code(members.get("code"))
    return members.get("success") is False and code in OUTCOMES.get(call, ()) and not in_trouble


def read_addition(members: Mapping[str, Any]) -> AddOutcome:
    """Return the outcome that an answer of ``unsubscribe/add`` reports."""
    if members["success"] is True:
        identifier = read_identifier(members.get("stopId"))
        return AddOutcome(ADDED, identifier if isinstance(identifier, int) else None)
    is_listed = read_code(members["code"]) == _ALREADY_LISTED
    return AddOutcome(ALREADY if is_listed else INVALID)


def read_deletion(members: Mapping[str, Any]) -> bool:
    """Return whether an answer of ``unsubscribe/delete`` reports a deletion."""
    return members["success"] is True
