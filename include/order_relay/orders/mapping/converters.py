"""Small named converters that mapping files use. Each takes one value (never ``None``) and returns one, or ``None``.

They refuse with ``RecordRejectedError`` whose refusal has a stable code and no place: the reader of the column knows
that.
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

Converter = Callable[[Any], Any]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?)?")
_LARGEST_ID = 10**40
_TEXT_DIGITS = 40


def text(value: Any) -> str | None:
    """Readable text: outer blanks and control characters go; nothing left means no value. Numbers become digits.

    True and false are not text.
    """
    if type(value) is str:
        clean = value.strip()
        if not clean.isprintable():
            clean = _CONTROL.sub(" ", clean.replace("\r\n", "\n")).strip()
            if not clean.isascii() and any("\ud800" <= char <= "\udfff" for char in clean):
                raise amount_rejected("not_unicode", "holds half a character")
            return None if is_empty(clean) else clean
        return clean or None
    written = number_as_text(value)
    if written is None:
        raise amount_rejected("wrong_type", "is not text")
    return written


def number_as_text(value: Any) -> str | None:
    """A number as the text that was meant: a whole one as its digits (``85001.0`` is 85001), another one as written.

    ``None`` for what is no number (true and false are none), and for one of more than 40 digits.
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
    """An identity, exactly as received: never trimmed, cut or changed. Whole numbers become their digits."""
    if type(value) is str:
        if value and (wrong := identifiers.identifier_problem(value)):
            raise amount_rejected("bad_identity", wrong)
        return value or None
    if is_integer(value) and (digits := number_as_text(value)) is not None:
        return digits
    raise amount_rejected("wrong_type", "is not an identity")


def quantity(value: Any) -> int:
    """A whole number of pieces; ``2.0`` is whole. Zero is read: a cancelled line says so (totals.py)."""
    try:
        exact = amount(value)
    except ArithmeticError:
        raise amount_rejected("bad_quantity", "is not a quantity") from None
    whole = int(exact.to_integral_value())
    if abs(exact - whole) >= FLOAT_NOISE:
        raise amount_rejected("fractional_quantity", "is not a whole number")
    if whole < 0:
        raise amount_rejected("quantity_not_positive", "is negative")
    if whole > 10**7:
        raise amount_rejected("quantity_too_large", "is larger than any line can be")
    return whole


def moment(value: Any, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 date-time with offset, as a moment in UTC.

    With a ``zone`` also one without offset, which then is that zone's clock, and a day, which then is its beginning.
    """
    if isinstance(value, str):
        try:
            if is_date_time(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            if zone is not None and _LOCAL.fullmatch(value):
                return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):  # no such day; or the first or last hours of a calendar, shifted out of it
            pass
    raise amount_rejected("bad_format", "is not a date-time" if zone else "is not a date-time with offset")


def day_as_datetime(value: Any, zone: tzinfo = UTC) -> str:
    """A day ``YYYY-MM-DD`` as the ISO 8601 date-time at which it begins in ``zone``, with that zone's offset.

    The text keeps the day: ``2018-03-20`` in Phoenix is ``2018-03-20T00:00:00-07:00``. Where clocks skip midnight, the
    day begins at the first moment that its clocks show; where they show midnight two times, at the first.
    """
    if isinstance(value, str) and is_date(value):
        try:
            began = datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)
            shown = began.astimezone(zone)
            if shown.date().isoformat() != value:  # the zone skipped the whole day, as Samoa did once
                raise amount_rejected("bad_format", "is a day that this time zone does not have")
            offset = shown.utcoffset()
            # Before zones there were local mean times, with seconds, which ISO 8601 offsets can not say.
            return (began if offset is None or offset.seconds % 60 else shown).isoformat(timespec="seconds")
        except OverflowError:  # the first or last day of the calendar, shifted out of it
            pass
    raise amount_rejected("bad_format", "is not a day such as 2018-03-20")


def day(value: Any) -> str:
    """A day, ``YYYY-MM-DD``."""
    if isinstance(value, str) and is_date(value):
        return value
    raise amount_rejected("bad_format", "is not a day")


def currency(value: Any) -> str:
    """An ISO 4217 code."""
    if isinstance(value, str) and (code := value.strip().upper()) in CURRENCIES:
        return code
    raise amount_rejected("unknown_currency", "is not an ISO 4217 currency code")


def country(value: Any) -> str:
    """An ISO 3166 code of two letters; names of countries are for a code table."""
    if isinstance(value, str) and len(code := value.strip()) == 2 and code.isascii() and code.isalpha():
        return code.upper()
    raise amount_rejected("unknown_country", "is neither a country code nor in the code table")


def boolean(value: Any) -> bool:
    """A JSON boolean."""
    if isinstance(value, bool):
        return value
    raise amount_rejected("wrong_type", "is not true or false")


def integer(value: Any) -> int:
    """A whole number."""
    exact = amount(value)
    if exact != int(exact):
        raise amount_rejected("wrong_type", "is not a whole number")
    return int(exact)


def text_map(value: Any) -> dict[str, str] | None:
    """An object as texts by name; lists are joined by commas, members without a value left out."""
    if not isinstance(value, dict):
        raise amount_rejected("wrong_type", "is not an object")
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
    """A moment as ISO 8601 in UTC with milliseconds, as the translated platform's import example writes it."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


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
    "utc_text": format_utc,
    "day_as_datetime": day_as_datetime,
}
"""What a mapping file can name."""


def find_converter(name: str, where: str) -> Converter:
    """The converter of this name. Raises ``ConfigurationError`` that lists the names there are."""
    try:
        return CONVERTERS[name]
    except KeyError:
        raise ConfigurationError(f"{where}: no converter {name!r}; there are {', '.join(sorted(CONVERTERS))}") from None


def split_name(name: str | None) -> tuple[str | None, str | None]:
    """First and last name: the last word is the last name; a single word is a last name too."""
    words = (name or "").split()
    if not words:
        return None, None
    return " ".join(words[:-1]) or None, words[-1]


def _joins(char: str) -> bool:
    """Whether a character belongs to the one before it: marks, joiners, selectors, skin tones."""
    return unicodedata.category(char) in ("Mn", "Mc", "Me") or char == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff"


def truncate_text(value: str, limit: int) -> str:
    """At most ``limit`` code points, not ending within a visible character (as far as its marks tell)."""
    if len(value) <= limit:
        return value
    end = limit
    # A character of more than 40 marks is no writing: it is cut where it comes.
    while end > max(0, limit - 40) and (_joins(value[end]) or value[end - 1] == "\u200d"):
        end -= 1
    if end <= max(0, limit - 40):
        end = limit
    flags = 0
    while flags < end and "\U0001f1e6" <= value[end - 1 - flags] <= "\U0001f1ff":
        flags += 1
    if flags % 2 and "\U0001f1e6" <= value[end] <= "\U0001f1ff":
        end -= 1  # half of a flag
    return value[:end].rstrip() or value[:limit]
