"""The history view: the intervals in which each person was suppressed, from the changes."""

from __future__ import annotations

from mailpartner_provider.warehouse.session import Session
from mailpartner_provider.warehouse.statements import Statements
from mailpartner_provider.warehouse.target import begin

_HASHED = ("email_sha256", "email_hmac")

# A record is on the list from its own snapshot until the next change of its id. Records of the same
# id and person that follow each other without a gap are one interval.
_VIEW = """
{create}
WITH
    days AS (
        SELECT DISTINCT account, id, snapshot_date, previous_snapshot_date
        FROM {table}
    ),
    ends AS (
        SELECT
            account,
            id,
            snapshot_date,
            lead(snapshot_date) OVER (PARTITION BY account, id ORDER BY snapshot_date) AS gone_by,
            lead(previous_snapshot_date)
                OVER (PARTITION BY account, id ORDER BY snapshot_date) AS last_seen_on
        FROM days
    ),
    people AS (
        SELECT account, id, {email_key} AS email_key, created_at, snapshot_date
        FROM {table}
        WHERE change <> 'removed'
    ),
    listed AS (
        SELECT
            people.account,
            people.email_key,
            people.id,
            min(people.created_at) AS created_at,
            people.snapshot_date AS seen_from,
            ends.gone_by,
            ends.last_seen_on
        FROM people
        JOIN ends
            ON ends.account = people.account
            AND ends.id = people.id
            AND ends.snapshot_date = people.snapshot_date
        GROUP BY
            people.account,
            people.email_key,
            people.id,
            people.snapshot_date,
            ends.gone_by,
            ends.last_seen_on
    ),
    begins AS (
        SELECT
            listed.*,
            CASE
                WHEN lag(gone_by)
                    OVER (PARTITION BY account, id, email_key ORDER BY seen_from) = seen_from
                THEN 0
                ELSE 1
            END AS is_begin
        FROM listed
    ),
    numbered AS (
        SELECT
            begins.*,
            sum(is_begin) OVER (
                PARTITION BY account, id, email_key
                ORDER BY seen_from
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS number_of_interval
        FROM begins
    )
SELECT
    account,
    email_key,
    id,
    min(created_at) AS created_at,
    min(seen_from) AS seen_from,
    CASE WHEN count(gone_by) = count(*) THEN max(gone_by) END AS gone_by,
    CASE WHEN count(gone_by) = count(*) THEN max(last_seen_on) END AS last_seen_on
FROM numbered
GROUP BY account, email_key, id, number_of_interval
""".strip()


def create_view(session: Session, statements: Statements, view: str) -> None:
    """Create or replace the view of the intervals in which people were suppressed.

    :raises OSError: the warehouse failed
    """
    begin(session, statements)
    session.define("creating the view", history_view(statements, view))
    session.commit()


def history_view(statements: Statements, view: str) -> str:
    """Return the statement that creates the view of a table of changes."""
    create = statements.dialect.view.format(view=view)
    return _VIEW.format(create=create, table=statements.table, email_key=_email_key(statements))


def _email_key(statements: Statements) -> str:
    """Return the SQL expression for the hash of an address; null if no address was landed."""
    names = statements.columns.names
    for column in _HASHED:
        if column in names:
            return column
    if "email" not in names:
        return "CAST(NULL AS VARCHAR(64))"
    hashed = statements.dialect.email_hash("email")
    return f"CASE WHEN email LIKE 'sha256:%' THEN substr(email, 8) ELSE {hashed} END"
