"""The credits of an account, as ``GET /me`` returns them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple


class Credits(NamedTuple):
    """The credits of an account; None where the answer has no such value."""

    credit_mail: int | None
    balance: Decimal | None
    currency: str | None


def read_credits(members: Mapping[str, Any]) -> Credits:
    """Return the credits in an answer; its balance is a text, and so stays exact."""
    left = members.get("credits")
    left = left if isinstance(left, dict) else {}
    credit_mail, currency = left.get("creditMail"), left.get("currency")
    try:
        balance = Decimal(str(left["balance"]))
    except (KeyError, InvalidOperation):
        balance = None
    return Credits(
        credit_mail=credit_mail if isinstance(credit_mail, int) else None,
        balance=balance,
        currency=currency if isinstance(currency, str) else None,
    )
