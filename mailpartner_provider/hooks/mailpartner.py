"""The hook for the Mail Partner API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from mailpartner_provider.api import additions
from mailpartner_provider.api.credits import Credits, read_credits
from mailpartner_provider.api.envelope import UNSUBSCRIBE_LIST
from mailpartner_provider.api.stream import UnsubscribeStream
from mailpartner_provider.compat import BaseHook, mask_secret
from mailpartner_provider.errors import LandingStopped, MailPartnerError, clear_frame_locals
from mailpartner_provider.get_provider_info import CONN_TYPE, HOOK_NAME
from mailpartner_provider.hooks.calls import Calls
from mailpartner_provider.hooks.connection import (
    find_connection,
    key_forms,
    read_base_url,
    read_email_hmac_key,
    read_key,
    read_renamed_from,
    read_timeouts,
)
from mailpartner_provider.hooks.form import connection_form_widgets, ui_field_behaviour
from mailpartner_provider.hooks.http import Session
from mailpartner_provider.hooks.retrying import retrying

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import tenacity

    from mailpartner_provider.api.blocks import Block

DEFAULT_TIMEZONE = "Europe/Paris"


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
    # Airflow 2 looks for these in the class, but not in its base classes.
    get_ui_field_behaviour = staticmethod(ui_field_behaviour)
    get_connection_form_widgets = staticmethod(connection_form_widgets)

    def __init__(self, mailpartner_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailpartner_conn_id = mailpartner_conn_id
        self._stopped = False
        self._calls = Calls(
            mailpartner_conn_id, lambda: self._key, self.get_conn, lambda: self._stopped, self.log
        )

    @property
    def base_url(self) -> str:
        """The base URL of the connection, without a slash at its end.

        :raises RequestRefused: it cannot be used
        """
        return read_base_url(self._connection)

    def get_conn(self) -> Session:
        """Return a session with the key, time-outs and TLS verification set; no network.

        Paths are resolved against the base URL: ``get_conn().get("me")``.

        :raises RequestRefused: the connection cannot be used
        """
        session = Session(self.base_url, read_timeouts(self._connection))
        session.params = {"apiKey": self._key, "_format": "json"}
        return session

    def test_connection(self) -> tuple[bool, str]:
        """Call ``GET /me``; return the account's balance, or what to correct."""
        try:
            credits = read_credits(self._calls.get("me"))
        except MailPartnerError as error:
            return False, error.message  # without the id: Airflow tests a copy that has another
        except Exception as error:
            return False, f"The connection cannot be used ({type(error).__name__})"
        if credits.balance is None:
            return True, "Connected to Mail Partner; its answer has no balance"
        left = f"{credits.credit_mail} mail credits, balance {credits.balance} {credits.currency}"
        return True, f"Connected to Mail Partner: {left}"

    @clear_frame_locals()
    def get_credits(self) -> Credits:
        """Return the credits of the account, from ``GET /me``.

        :raises RequestRefused: the API refused, or the connection cannot be used
        :raises RequestFailed: four tries failed on the way
        """
        return self.attempts()(lambda: read_credits(self._calls.get("me")))

    def unsubscribe_batches(self, timezone: str = DEFAULT_TIMEZONE) -> Iterator[pa.RecordBatch]:
        """Stream the suppression list as record batches, in memory that does not grow with it.

        Columns: ``id`` int64, ``email`` string, ``created_at`` timestamp[us, UTC] or null,
        ``extra_fields`` string (JSON) or null. What was yielded counts only once the stream has
        ended without an error, because the answer is verified at its end. Records without a usable
        id or e-mail are left out; the log has their number.

        :param timezone: the zone of a ``createdAt`` that names none
        :raises RequestRefused: the API refused, or the connection cannot be used
        :raises RequestFailed: the answer is broken; retried only while nothing was yielded
        :raises BadData: the API has begun to page
        """

        def begin() -> Iterator[Block]:
            blocks = iter(self.fetch_unsubscribes(timezone))
            return chain([first], blocks) if (first := next(blocks, None)) else blocks

        with clear_frame_locals():
            yield from self._batches(self.attempts()(begin))

    @clear_frame_locals()
    def get_df(self, timezone: str = DEFAULT_TIMEZONE) -> pd.DataFrame:
        """Return the suppression list as a DataFrame with Arrow-backed types.

        The columns, parameters and errors are those of ``unsubscribe_batches``.
        """
        import pandas as pd
        import pyarrow as pa

        from mailpartner_provider.schemas import RECORD

        def fetch() -> pa.Table:
            blocks = iter(self.fetch_unsubscribes(timezone))
            return pa.Table.from_batches(list(self._batches(blocks)), schema=RECORD)

        frame: pd.DataFrame = self.attempts()(fetch).to_pandas(types_mapper=pd.ArrowDtype)
        return frame

    @clear_frame_locals()
    def fetch_unsubscribes(self, timezone: str = DEFAULT_TIMEZONE) -> UnsubscribeStream:
        """Request the suppression list once; ``attempts`` retries.

        :raises RequestRefused: the API refused, or the connection cannot be used
        :raises RequestFailed: the call failed on the way
        """
        zone, answer = ZoneInfo(timezone), self._calls.open(UNSUBSCRIBE_LIST)
        return UnsubscribeStream(
            answer,
            zone,
            observed_at=answer.head.observed_at,
            content_type=self._calls.without_key(answer.head.content_type),
            mask=self._calls.without_key,
            conn_id=self.mailpartner_conn_id,
            close=answer.close,
        )

    def add_unsubscribe(self, email: str) -> additions.AddOutcome:
        """Add an address to the suppression list, by ``POST /unsubscribe/add``.

        After a lost answer the outcome is ``already``, because asking again is harmless.

        :raises RequestRefused: the API refused, or the connection cannot be used
        :raises RequestFailed: four tries failed on the way
        """
        with clear_frame_locals():
            try:
                return self.attempts()(self.add_once, email)
            finally:
                del email

    def add_once(self, email: str) -> additions.AddOutcome:
        """Add an address once; ``attempts`` retries."""
        return additions.read_addition(self._calls.post(additions.UNSUBSCRIBE_ADD, email=email))

    @clear_frame_locals()
    def delete_unsubscribe(self, unsubscribe_id: int) -> bool:
        """Delete a record by its id; return False when there is none, as after a lost answer.

        The errors are those of ``add_unsubscribe``.
        """
        return self.attempts()(self.delete_once, unsubscribe_id)

    def delete_once(self, unsubscribe_id: int) -> bool:
        """Delete a record once; ``attempts`` retries."""
        return additions.read_deletion(
            self._calls.get_or_post(additions.UNSUBSCRIBE_DELETE, id=unsubscribe_id)
        )

    def email_hmac_key(self) -> bytes:
        """Return the key for hashed addresses, registered with Airflow's log masker.

        :raises RequestRefused: the connection has none
        """
        key = read_email_hmac_key(self._connection)
        mask_secret(key)
        return key.encode()

    def renamed_from(self) -> str | None:
        """Return the id that the connection had before it was renamed, as its extra says."""
        return read_renamed_from(self._connection)

    def is_account(self, conn_id: str) -> bool:
        """Return whether an id is the connection's own, or the one before it was renamed."""
        return conn_id in (self.mailpartner_conn_id, self.renamed_from())

    def attempts(self) -> tenacity.Retrying:
        """Return the retry policy: up to four tries, two and a half minutes of waiting in all."""
        return retrying(lambda: self._calls.retry_after, self.raise_if_stopped, self.log)

    def stop(self) -> None:
        """Make every call of this hook raise LandingStopped soon; safe in a signal handler."""
        self._stopped = True

    def raise_if_stopped(self) -> None:
        """Raise LandingStopped after ``stop``."""
        if self._stopped:
            raise LandingStopped("the task was stopped; nothing more was published")

    @cached_property
    def _connection(self) -> Any:
        return find_connection(self.mailpartner_conn_id, self.get_connection)

    @cached_property
    def _key(self) -> str:
        key = read_key(self._connection)
        for form in key_forms(key):
            mask_secret(form)
        return key

    def _batches(self, blocks: Iterator[Block]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of blocks; log how many records could not be rows at the end."""
        reasons: Counter[str] = Counter()
        for block in blocks:
            reasons.update(rejected.reason for rejected in block.rejected)
            yield block.batch
        if reasons:
            self.log.warning("Left out records that cannot be rows: %s", dict(reasons))
