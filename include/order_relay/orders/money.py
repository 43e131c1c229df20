"""Money, exactly: amounts are whole minor units (cents, yen, fils) of their currency, prices are ``Decimal``."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from order_relay.errors import RecordRefused, Refusal

_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD "
    "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
    "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL "
    "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

CURRENCIES: dict[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}
"""ISO 4217 codes in use, with the number of decimals of their minor unit."""

MAX_MINOR = 10**13
"""Amounts stay below this, so that sums of a whole order fit 64 bits and OMS arithmetic stays exact in doubles."""

_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_BOUND = Decimal(10) ** 15  # with at most 12 decimals, 27 digits: arithmetic on them stays exact (context: 28)


def refused(code: str, message: str) -> RecordRefused:
    """The refusal of one value; who knows the place fills it in."""
    return RecordRefused([Refusal(code, "", message)])


def amount(value: Any) -> Decimal:
    """A JSON number or a decimal string, exactly. Raises ``RecordRefused`` (``bad_amount``)."""
    if isinstance(value, str):
        text = value.strip()
        if _PLAIN.fullmatch(text):
            return Decimal(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        if -_BOUND < value < _BOUND:
            return Decimal(value)
    elif isinstance(value, float | Decimal):
        # ``repr`` of a float is the shortest text that reads back: what stood in the JSON, as long as it was short.
        exact = value if isinstance(value, Decimal) else Decimal(repr(value))
        if exact.is_finite() and -_BOUND < exact < _BOUND and exact.as_tuple().exponent >= -12:  # type: ignore[operator]
            return exact
    raise refused("bad_amount", "is not an exact decimal amount")


def to_minor(value: Decimal, exponent: int) -> int:
    """Whole minor units. Raises ``RecordRefused``: ``too_many_decimals``, ``amount_too_large``."""
    scaled = value.scaleb(exponent)
    whole = int(scaled)
    if whole != scaled:
        raise refused("too_many_decimals", "has more decimals than its currency")
    if not -MAX_MINOR < whole < MAX_MINOR:
        raise refused("amount_too_large", "is larger than any order can be")
    return whole


@lru_cache(maxsize=8192)
def from_minor(minor: int, exponent: int) -> Decimal:
    """Minor units as an exact decimal with all the decimals of the currency: 14250 cents are 142.50."""
    return Decimal(minor).scaleb(-exponent)


def per_unit(minor: int, quantity: int, exponent: int) -> Decimal:
    """The price of one unit, rounded half up to the currency's decimals; for showing, never for adding up."""
    return (from_minor(minor, exponent) / quantity).quantize(Decimal(1).scaleb(-exponent), rounding=ROUND_HALF_UP)
