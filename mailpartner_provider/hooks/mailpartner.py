"""The connection to Mail Partner and the calls that it allows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import tenacity
from airflow.providers.common.compat.sdk import BaseHook

from mailpartner_provider.api import envelope
from mailpartner_provider.api.credits import Credits, read_credits
from mailpartner_provider.api.records import parse_json
from mailpartner_provider.api.stream import CALL, UnsubscribeStream
from mailpartner_provider.compat import mask_secret
from mailpartner_provider.errors import (
    BadData,
    LandingStopped,
    MailPartnerError,
    RequestFailed,
    without_variables,
)
from mailpartner_provider.get_provider_info import (
    CONN_FIELDS,
    CONN_TYPE,
    HOOK_NAME,
    UI_FIELD_BEHAVIOUR,
)
from mailpartner_provider.hooks.connection import (
    key_forms,
    read_base_url,
    read_email_hmac_key,
    read_key,
    read_timeouts,
)
from mailpartner_provider.hooks.http import Download, Session

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from mailpartner_provider.api.blocks import Block

DEFAULT_TIMEZONE = "Europe/Paris"
TRIES = 4
MAX_RETRY_AFTER_SECONDS = 60.0
MAX_WAITING_SECONDS = 150.0

_backoff = tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 0.5)
_SMALL_ANSWER_BYTES = 2**20


class MailPartnerHook(BaseHook):
    """Call the Mail Partner API with the credentials of an Airflow connection.

    The API and its answers: https://www.docpartner.dev/api/mail-partner

    :param mailpartner_conn_id: the connection: its password is the API key, its host the base URL
        (``https://api.mailpartner.fr/v1`` if empty)
    """

    conn_name_attr = "mailpartner_conn_id"
    default_conn_name = "mailpartner_default"
    conn_type = CONN_TYPE
    hook_name = HOOK_NAME

    def __init__(self, mailpartner_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailpartner_conn_id = mailpartner_conn_id
        self._stopped = False
        self._retry_after: float | None = None

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields of the connection form for Airflow 2."""
        return {name.replace("-", "_"): value for name, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Make the further fields of the connection form for Airflow 2."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import PasswordField, StringField

        return {
            name: PasswordField(field["label"], widget=BS3PasswordFieldWidget())
            if field["schema"].get("format") == "password"
            else StringField(field["label"], widget=BS3TextFieldWidget())
            for name, field in CONN_FIELDS.items()
        }

    @property
    def base_url(self) -> str:
        """The base URL of the connection, without a slash at its end.

        :raises RequestRefused: it is none that can be used
        """
        return read_base_url(self._connection)

    def get_conn(self) -> Session:
        """Give a session with the key, time-outs and TLS verification set; no network.

        Paths are resolved against the base URL: ``get_conn().get("me")``.

        :raises RequestRefused: the connection cannot be used
        """
        session = Session(self.base_url, read_timeouts(self._connection))
        session.params = {"apiKey": self._key, "_format": "json"}
        return session

    def test_connection(self) -> tuple[bool, str]:
        """Call ``GET /me`` and say what the account has left, or what to mend."""
        try:
            credits = read_credits(self._ask("me"))
        except MailPartnerError as error:
            return False, str(error)
        except Exception as error:
            return False, f"The connection cannot be used ({type(error).__name__})"
        if credits.balance is None:
            return True, "Connected to Mail Partner, which does not tell the balance"
        left = f"{credits.credit_mail} mail credits, balance {credits.balance} {credits.currency}"
        return True, f"Connected to Mail Partner: {left}"

    @without_variables()
    def get_credits(self) -> Credits:
        """Ask ``GET /me`` what the account has left.

        :raises RequestRefused: the API says no
        :raises RequestFailed: four tries broke on the way
        """
        return self.attempts()(lambda: read_credits(self._ask("me")))

    def unsubscribe_batches(self, timezone: str = DEFAULT_TIMEZONE) -> Iterator[pa.RecordBatch]:
        """Stream the suppression list as record batches, in memory that does not grow with it.

        Columns: ``id`` int64, ``email`` string, ``created_at`` timestamp[us, UTC] or null,
        ``extra_fields`` string (JSON) or null. What was yielded counts only once the stream has
        ended without an error, for the answer is verified at its end. A record without a usable
        id or e-mail is left out, and the log says how many were.

        :param timezone: the zone of a ``createdAt`` that names none
        :raises RequestRefused: the API says no
        :raises RequestFailed: the answer broke; tried again only while nothing was yielded
        :raises BadData: the API has begun to page
        """

        def begin() -> Iterator[Block]:
            blocks = iter(self.fetch_unsubscribes(timezone))
            return chain([first], blocks) if (first := next(blocks, None)) else blocks

        with without_variables():
            yield from self._batches(self.attempts()(begin))

    @without_variables()
    def get_df(self, timezone: str = DEFAULT_TIMEZONE) -> pd.DataFrame:
        """Fetch the suppression list as a DataFrame with Arrow-backed types, columns as above."""
        import pandas as pd
        import pyarrow as pa

        from mailpartner_provider.api.records import SCHEMA

        def fetch() -> pa.Table:
            blocks = iter(self.fetch_unsubscribes(timezone))
            return pa.Table.from_batches(list(self._batches(blocks)), schema=SCHEMA)

        frame: pd.DataFrame = self.attempts()(fetch).to_pandas(types_mapper=pd.ArrowDtype)
        return frame

    @without_variables()
    def fetch_unsubscribes(self, timezone: str = DEFAULT_TIMEZONE) -> UnsubscribeStream:
        """Ask for the suppression list once; ``attempts`` is for asking again.

        :raises RequestRefused: the API says no
        :raises RequestFailed: the call broke on the way
        """
        answer = self._open(CALL)
        return UnsubscribeStream(
            answer,
            ZoneInfo(timezone),
            observed_at=answer.head.observed_at,
            content_type=self._without_key(answer.head.content_type),
            mask=self._without_key,
        )

    def email_hmac_key(self) -> bytes:
        """Give the key for hashed addresses, after Airflow's masker was told of it.

        :raises RequestRefused: the connection has none
        """
        key = read_email_hmac_key(self._connection)
        mask_secret(key)
        return key.encode()

    def attempts(self) -> tenacity.Retrying:
        """Give the retry policy: up to four tries, two and a half minutes of waiting in all."""
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RequestFailed),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=self._seconds_to_wait,
            sleep=self._sleep,
            before_sleep=self._log_failure,
            reraise=True,
        )

    def stop(self) -> None:
        """Have every call of this hook end soon, with LandingStopped; safe in a signal handler."""
        self._stopped = True

    def raise_if_stopped(self) -> None:
        """Raise LandingStopped after ``stop``."""
        if self._stopped:
            raise LandingStopped("the task was stopped; nothing more is published")

    @cached_property
    def _connection(self) -> Any:
        return self.get_connection(self.mailpartner_conn_id)

    @cached_property
    def _key(self) -> str:
        key = read_key(self._connection)
        for form in key_forms(key):
            mask_secret(form)
        return key

    def _open(self, call: str) -> Download:
        """Send a request; give its answer if the HTTP status says yes."""
        session = self.get_conn()
        self._retry_after = None
        answer = Download(lambda: session.get(call, stream=True), lambda: self._stopped)
        self._retry_after = answer.head.retry_after
        self.log.debug("Asked for %s: HTTP %d", call, answer.head.status)
        if answer.head.status == 200:
            return answer
        raise self._refusal(call, answer)

    def _ask(self, call: str) -> dict[str, Any]:
        """Call something that answers in a few lines."""
        answer = self._open(call)
        members = _members(answer, call)
        if members is None:
            kind = self._without_key(answer.head.content_type) or "of no stated kind"
            raise RequestFailed(f"{call}: the answer is {kind}, not JSON")
        refusal = envelope.refusal(members, call=call, mask=self._without_key)
        if refusal:
            raise refusal
        return members

    def _refusal(self, call: str, answer: Download) -> MailPartnerError:
        try:
            members = _members(answer, call)
        except (RequestFailed, BadData):
            members = None
        status = answer.head.status
        refusal = envelope.refusal(members or {}, call=call, status=status, mask=self._without_key)
        return refusal or RequestFailed(f"{call}: failed with HTTP {status}")

    def _without_key(self, text: str) -> str:
        for form in key_forms(self._key):
            text = text.replace(form, "***")
        return text

    def _batches(self, blocks: Iterator[Block]) -> Iterator[pa.RecordBatch]:
        """Give the rows of blocks; say in the end how many records could not be rows."""
        reasons: Counter[str] = Counter()
        for block in blocks:
            reasons.update(rejected.reason for rejected in block.rejected)
            yield block.batch
        if reasons:
            self.log.warning("Left out records that cannot be rows: %s", dict(reasons))

    def _seconds_to_wait(self, state: tenacity.RetryCallState) -> float:
        """Decide how long to wait before the next try: what the API asked for, else backoff."""
        asked = self._retry_after
        wait = _backoff(state) if asked is None else min(asked, MAX_RETRY_AFTER_SECONDS)
        return max(0.0, min(wait, MAX_WAITING_SECONDS - state.idle_for))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.raise_if_stopped()
            time.sleep(min(left, 0.2))

    def _log_failure(self, state: tenacity.RetryCallState) -> None:
        self.log.warning(
            "Try %d of %d failed: %s; the next in %.1f s",
            state.attempt_number,
            TRIES,
            state.outcome and state.outcome.exception(),
            state.next_action.sleep if state.next_action else 0,
        )


def _members(answer: Download, call: str) -> dict[str, Any] | None:
    """Read a small answer; None when it is neither a JSON object nor an error in XML.

    :raises BadData: it is good, but XML
    """
    body = b""
    with closing(answer):
        for chunk in answer:
            body += chunk
            if len(body) > _SMALL_ANSWER_BYTES:
                return None
    try:
        members = envelope.read_xml(body, call=call) or parse_json(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None
