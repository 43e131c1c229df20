"""Exact amounts: cents as integers, without binary floats."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

_DIGITS = 24


def decimal_of(value: Any) -> Decimal | None:
    """The exact value of a JSON number or decimal string; ``None`` for anything else (booleans, NaN, text)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def in_cents(amount: Decimal) -> int | str:
    """Cents as an integer; an amount with fractions of a cent as its exact text, so that they stay visible."""
    if abs(amount.adjusted()) > _DIGITS:
        return f"{amount}e2"  # keep absurd sizes as text; as an integer they would exhaust memory
    cents = amount * 100
    whole = cents.to_integral_value()
    return int(whole) if cents == whole else str(cents.normalize())


def text(cents: int) -> str:
    """``-1234`` → ``-12.34``."""
    sign, rest = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{rest // 100}.{rest % 100:02d}"
