"""Formats and number types of the schemas, defined once for both validators."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from order_relay.orders.identity.identifiers import IDENTIFIER_RULE, identifier_problem

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_date_time(value: Any) -> bool:
    """A valid ISO 8601 date and time with an offset. Accepts ``+0000`` besides ``+00:00``: vendors write both."""
    if not isinstance(value, str):
        return True
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


def is_date(value: Any) -> bool:
    """A valid date, ``YYYY-MM-DD``."""
    if not isinstance(value, str):
        return True
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_ipv4(value: Any) -> bool:
    """Four decimal bytes with dots."""
    return not isinstance(value, str) or _IPV4.fullmatch(value) is not None


def is_identity(value: Any) -> bool:
    """An id or number that identifies something, as defined in ``orders.identity.identifiers``."""
    return not isinstance(value, str) or not identifier_problem(value)


FORMATS = {"date-time": is_date_time, "date": is_date, "ipv4": is_ipv4, "identity": is_identity}
"""Formats by name, passed to both validators."""

FORMAT_DESCRIPTIONS = {
    "date-time": "must be a date and time with an offset (example: 2018-03-13T10:00:00Z)",
    "date": "must be a date (example: 2018-03-20)",
    "ipv4": "must be an IPv4 address (example: 203.0.113.7)",
    "identity": IDENTIFIER_RULE,
}
"""The messages for values that do not have a format."""


def is_number(value: Any) -> bool:
    """A finite JSON number. Fractions are parsed as ``Decimal``."""
    if isinstance(value, bool):
        return False
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def is_integer(value: Any) -> bool:
    """A number without a fraction: 2 and also 2.0, which JSON Schema does not distinguish."""
    if not is_number(value):
        return False
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) or value.is_integer()
