"""The converters that mapping files name. Each takes one value (never ``None``) and returns one, or ``None``.

They raise ``RecordRejectedError`` with one issue that has a stable code and no pointer; the column reader adds it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.empty_values import is_empty
from order_relay.orders.identity import identifiers
from order_relay.orders.money.amounts import CURRENCIES, FLOAT_NOISE, amount, amount_rejected
from order_relay.orders.schema.formats import is_date, is_date_time, is_integer
from order_relay.times import local_to_utc

Converter = Callable[[Any], Any]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?)?")
MAX_QUANTITY = 10**7
"""Maximum pieces of one line; more is taken for a typing error."""

_LARGEST_ID = 10**40
_TEXT_DIGITS = 40


def text(value: Any) -> str | None:
    """Readable text without outer spaces and control characters; ``None`` if nothing is left.

    Numbers become digits. Booleans are rejected.
    """
    if type(value) is str:
        clean = value.strip()
        if not clean.isprintable():
            clean = _CONTROL.sub(" ", clean.replace("\r\n", "\n")).strip()
            if not clean.isascii() and any("\ud800" <= char <= "\udfff" for char in clean):
                raise amount_rejected("not_unicode", "holds half a character (a lone surrogate)")
            return None if is_empty(clean) else clean
        return clean or None
    written = number_as_text(value)
    if written is None:
        raise amount_rejected("wrong_type", "must be text")
    return written


def number_as_text(value: Any) -> str | None:
    """A number as text: a whole one as its digits (``85001.0`` becomes "85001"), another one as written.

    ``None`` for anything else, including booleans and numbers of more than 40 digits.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if -_LARGEST_ID < value < _LARGEST_ID else None
    if not isinstance(value, Decimal | float):
        return None
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite() or abs(exact.adjusted()) >= _TEXT_DIGITS:
        return None
    return str(int(exact)) if exact == exact.to_integral_value() else f"{exact:f}"


def key(value: Any) -> str | None:
    """An identifier exactly as received: never trimmed, cut or changed. Whole numbers become their digits."""
    if type(value) is str:
        if value and (wrong := identifiers.identifier_problem(value)):
            raise amount_rejected("bad_identity", wrong)
        return value or None
    if is_integer(value) and (digits := number_as_text(value)) is not None:
        return digits
    raise amount_rejected("wrong_type", "must be text or a whole number (example: LAMP-9)")


def quantity(value: Any) -> int:
    """A whole number of pieces; ``2.0`` is whole. Zero is allowed: it marks a cancelled line (``money.totals``)."""
    if type(value) is int and 0 <= value <= MAX_QUANTITY:
        return value
    try:
        exact = amount(value)
    except ArithmeticError:
        raise amount_rejected("bad_quantity", "must be a whole number (example: 12)") from None
    whole = int(exact.to_integral_value())
    if abs(exact - whole) >= FLOAT_NOISE:
        raise amount_rejected("fractional_quantity", f"is {exact:f}, but only whole pieces can be ordered")
    if whole < 0:
        raise amount_rejected("quantity_not_positive", f"is {whole}, but must not be negative")
    if whole > MAX_QUANTITY:
        raise amount_rejected("quantity_too_large", f"is {whole}, above the maximum of {MAX_QUANTITY}")
    return whole


def moment(value: Any, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 date-time with an offset, as a time in UTC.

    With a ``zone``, a date-time without an offset is local time there, and a date is the start of that day.
    """
    if isinstance(value, str):
        try:
            if is_date_time(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            if zone is not None and _LOCAL.fullmatch(value):
                return local_to_utc(datetime.fromisoformat(value), zone)
        except (ValueError, OverflowError):  # such as 31 February, or beyond the years 1 to 9999 in UTC
            pass
    raise amount_rejected(
        "bad_format", f"must be a date and time{'' if zone else ' with an offset'} (example: 2018-03-13T10:00:00Z)"
    )


def day_as_datetime(value: Any, zone: tzinfo = UTC) -> str:
    """A date ``YYYY-MM-DD`` as the ISO 8601 date-time at which that day begins in ``zone``, with the zone's offset.

    ``2018-03-20`` in Phoenix is ``2018-03-20T00:00:00-07:00``. If midnight is skipped by a clock change, the day begins
    at its first existing time; if midnight occurs two times, at the first.
    """
    if isinstance(value, str) and is_date(value):
        try:
            began = local_to_utc(datetime.fromisoformat(value), zone)
            shown = began.astimezone(zone)
            if shown.date().isoformat() != value:  # Samoa skipped a whole day when it crossed the date line
                raise amount_rejected("bad_format", "is a date that does not exist in this time zone")
            offset = shown.utcoffset()
            # Local mean time, used before time zones, has offsets with seconds, which ISO 8601 cannot express.
            return (began if offset is None or offset.seconds % 60 else shown).isoformat(timespec="seconds")
        except OverflowError:  # beyond the years 1 to 9999 in UTC
            pass
    raise amount_rejected("bad_format", "must be a date (example: 2018-03-20)")


def day(value: Any) -> str:
    """A date, ``YYYY-MM-DD``."""
    if isinstance(value, str) and is_date(value):
        return value
    raise amount_rejected("bad_format", "must be a date (example: 2018-03-20)")


def currency(value: Any) -> str:
    """An ISO 4217 code."""
    if isinstance(value, str) and (code := value.strip().upper()) in CURRENCIES:
        return code
    raise amount_rejected("unknown_currency", "must be an ISO 4217 currency code (example: USD)")


def country(value: Any) -> str:
    """An ISO 3166 code of two letters. Country names need a code table."""
    if isinstance(value, str) and len(code := value.strip()) == 2 and code.isascii() and code.isalpha():
        return code.upper()
    raise amount_rejected(
        "unknown_country", "must be a country code of two letters (example: US) or a name from the code table"
    )


def boolean(value: Any) -> bool:
    """A JSON boolean."""
    if isinstance(value, bool):
        return value
    raise amount_rejected("wrong_type", "must be true or false")


def integer(value: Any) -> int:
    """A whole number."""
    exact = amount(value)
    if exact != int(exact):
        raise amount_rejected("wrong_type", "must be a whole number (example: 12)")
    return int(exact)


def text_map(value: Any) -> dict[str, str] | None:
    """An object as text by name. Lists are joined by commas; members without a value are left out."""
    if not isinstance(value, dict):
        raise amount_rejected("wrong_type", "must be an object")
    found = {}
    for name, member in value.items():
        parts = member if isinstance(member, list) else [member]
        flat = ", ".join(filter(None, map(_flat, parts))) or None
        if flat is not None:
            found[str(name)] = flat
    return found or None


def _flat(value: Any) -> str | None:
    if value is None or value == {}:
        return None
    return str(value).lower() if isinstance(value, bool) else text(value)


def format_utc(value: datetime) -> str:
    """A time as ISO 8601 in UTC with milliseconds, as in the import example of docs/vendors/."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def split_name(name: str | None) -> tuple[str | None, str | None]:
    """First and last name. The last word is the last name, also if it is the only one."""
    words = (name or "").split()
    if not words:
        return None, None
    return " ".join(words[:-1]) or None, words[-1]


def first_name(value: Any) -> str | None:
    """The first names of a full name: all words but the last one."""
    return split_name(text(value))[0]


def last_name(value: Any) -> str | None:
    """The last name of a full name: its last word."""
    return split_name(text(value))[1]


CONVERTERS: dict[str, Converter] = {
    "text": text,
    "key": key,
    "money": amount,
    "number": amount,
    "quantity": quantity,
    "moment": moment,
    "day": day,
    "currency": currency,
    "country": country,
    "boolean": boolean,
    "whole": integer,
    "text_map": text_map,
    "first_name": first_name,
    "last_name": last_name,
    "utc_text": format_utc,
    "day_as_datetime": day_as_datetime,
}
"""The converters by the names that mapping files use."""


def find_converter(name: str, where: str) -> Converter:
    """The converter of this name. Raises ``ConfigurationError`` that lists the available ones."""
    try:
        return CONVERTERS[name]
    except KeyError:
        raise ConfigurationError(
            f"{where}: unknown converter {name!r}; available: {', '.join(sorted(CONVERTERS))}"
        ) from None


def _joins(char: str) -> bool:
    """Whether a character modifies the one before it: marks, joiners, selectors, skin tones."""
    return unicodedata.category(char) in ("Mn", "Mc", "Me") or char == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff"


def truncate_text(value: str, limit: int) -> str:
    """At most ``limit`` code points, without cutting through a visible character."""
    if len(value) <= limit:
        return value
    end = limit
    # More than 40 marks are not writing; such a character may be cut anywhere.
    while end > max(0, limit - 40) and (_joins(value[end]) or value[end - 1] == "\u200d"):
        end -= 1
    if end <= max(0, limit - 40):
        end = limit
    flags = 0
    while flags < end and "\U0001f1e6" <= value[end - 1 - flags] <= "\U0001f1ff":
        flags += 1
    if flags % 2 and "\U0001f1e6" <= value[end] <= "\U0001f1ff":
        end -= 1  # do not keep half of a flag
    return value[:end].rstrip() or value[:limit]
