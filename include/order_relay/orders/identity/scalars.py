"""Values of a document as they are stored in columns of the ledger: texts, identifiers and whole numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from order_relay.orders.identity.identifiers import identifier_problem

MAX_IDENTIFIER_LENGTH = 200  # characters of an id or number; a longer value is taken for damage
MAX_INTEGER = 2**63 - 1  # the largest integer of a database column

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def text_of(value: Any) -> str:
    """A text or whole number as text; "" for anything else, and for a value that a database column cannot hold."""
    if type(value) is str and value.isprintable():  # nearly every value
        return value if len(value) <= MAX_IDENTIFIER_LENGTH else ""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and value < MAX_INTEGER:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return ""
    text = str(value)
    return "" if len(text) > MAX_IDENTIFIER_LENGTH or _UNSTORABLE.search(text) else text


def identifier_of(value: Any) -> str:
    """A text or whole number that identifies something (see ``identifiers``); "" for anything else."""
    text = text_of(value)
    return "" if not text or identifier_problem(text) else text


def integer_of(value: Any) -> int | None:
    """A whole number of at least 0, given as a number or as digits; else ``None``."""
    text = text_of(value).strip()
    if not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    return number if number <= MAX_INTEGER else None
