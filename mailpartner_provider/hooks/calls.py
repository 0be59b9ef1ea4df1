"""The calls of the API: one request each, and its answer or the error that it reports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import requests

from mailpartner_provider.api.additions import OUTCOMES, is_outcome
from mailpartner_provider.api.envelope import broken, refusal
from mailpartner_provider.errors import BadData, MailPartnerError, RequestFailed, naming_connection
from mailpartner_provider.hooks.connection import key_forms
from mailpartner_provider.hooks.download import Download, read_members
from mailpartner_provider.hooks.http import Session

_WRONG_METHOD = 405


class Calls:
    """The calls that the key of a connection allows.

    :param key: returns the key
    :param make_session: makes a session that sends the key in the query
    :param stopped: returns whether the task was stopped
    """

    def __init__(
        self,
        conn_id: str,
        key: Callable[[], str],
        make_session: Callable[[], Session],
        stopped: Callable[[], bool],
        log: logging.Logger,
    ) -> None:
        self.retry_after: float | None = None  #: seconds that the last answer asked to wait
        self._conn_id = conn_id
        self._key = key
        self._make_session = make_session
        self._stopped = stopped
        self._log = log
        self._by_post: set[str] = set()

    def open(self, call: str) -> Download:
        """Request a long answer over a separate HTTP connection."""
        session = self._make_session()
        answer = self._send(call, lambda: session.get(call, stream=True))
        if answer.head.status != 200:
            self._members(call, "GET", answer, {})
        return answer

    def get(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Return the members of the answer to a GET, which has the key in its query."""
        return self._call(call, "GET", arguments, params=arguments)

    def post(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Return the members of the answer to a POST, which has the key in its body."""
        body = {"apiKey": self._key(), **arguments}
        without_query = {"apiKey": None, "_format": None}
        return self._call(call, "POST", arguments, json=body, params=without_query)

    def get_or_post(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Send a GET; if the API refuses this method, send a POST now and from then on.

        The vendor's samples have GET, and the text beside them has POST.
        """
        if call not in self._by_post:
            try:
                return self.get(call, **arguments)
            except MailPartnerError as error:
                if error.status != _WRONG_METHOD:
                    raise
            self._by_post.add(call)
        return self.post(call, **arguments)

    def without_key(self, text: str) -> str:
        """Replace the key in a text with stars, in all forms in which it may be written."""
        return _masked(text, [self._key()])

    @cached_property
    def _session(self) -> Session:
        """The session of short calls, which all use the same HTTP connection."""
        return self._make_session()

    def _send(self, call: str, send: Callable[[], requests.Response]) -> Download:
        self.retry_after = None
        with naming_connection(self._conn_id):
            answer = Download(send, self._stopped)
        self.retry_after = answer.head.retry_after
        self._log.debug("Requested %s: HTTP %d", call, answer.head.status)
        return answer

    def _call(
        self, call: str, method: str, arguments: dict[str, Any], **request: Any
    ) -> dict[str, Any]:
        session = self._session
        answer = self._send(call, lambda: session.request(method, call, stream=True, **request))
        return self._members(call, method, answer, arguments)

    def _members(
        self, call: str, method: str, answer: Download, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Read a short answer; raise the error that it reports, without key and arguments."""
        status, kind = answer.head.status, answer.head.content_type
        # Some calls have refusals that are outcomes; these must be read completely.
        is_needed = status == 200 or call in OUTCOMES
        with naming_connection(self._conn_id):
            try:
                members = read_members(answer, call)
            except (RequestFailed, BadData):
                if is_needed:
                    raise
                members = None
            if members is None and is_needed and (status == 200 or kind == "application/json"):
                media_type = self.without_key(kind) or "of no media type"
                raise broken(f"it is {media_type}, not a JSON object", call=call)
            members = members or {}
            if is_outcome(members, call=call, status=status):
                return members
            secrets = [self._key(), *(str(each) for each in arguments.values() if str(each))]
            mask = partial(_masked, secrets=secrets)
            if error := refusal(members, call=call, status=status, mask=mask, method=method):
                raise error
        return members


def _masked(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        for form in key_forms(secret):
            text = text.replace(form, "***")
    return text
