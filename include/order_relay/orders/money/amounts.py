"""Exact money: amounts are whole minor units (cents, yen, fils) of their currency, prices are ``Decimal``."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue

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
"""Amounts are smaller than this, so that sums fit 64 bits and stay exact in an OMS that computes in doubles."""

FLOAT_NOISE = Decimal("1e-9")
"""Largest difference that is rounded away. Binary fractions appear as 0.30000000000000004."""

DECIMALS = 20
"""Maximum decimals of a number; further ones never affect a comparison."""

EXACT_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Arithmetic context for amounts: 15 digits and 20 decimals, times any quantity, stay exact."""

_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,100})?")
_BOUND = Decimal(10) ** 15
_SMALLEST = 100


def amount_rejected(code: str, message: str) -> RecordRejectedError:
    """The error for one value; the caller adds the pointer."""
    return RecordRejectedError([ValidationIssue(code, "", message)])


def amount(value: Any) -> Decimal:
    """A JSON number or a decimal string, exactly (to ``DECIMALS``). Raises ``RecordRejectedError`` (``bad_amount``)."""
    if isinstance(value, str):
        text = value.strip()
        if _PLAIN.fullmatch(text):
            return Decimal(text) if len(text) <= DECIMALS else _bounded(Decimal(text))
    elif isinstance(value, int) and not isinstance(value, bool):
        if -_BOUND < value < _BOUND:
            return Decimal(value)
    elif isinstance(value, float | Decimal):
        # ``repr`` of a float is the shortest text that reads back, which is the JSON text if that was short.
        exact = value if isinstance(value, Decimal) else Decimal(repr(value))
        if exact.is_finite() and -_BOUND < exact < _BOUND and (not exact or exact.adjusted() > -_SMALLEST):
            return _bounded(exact)
    raise amount_rejected("bad_amount", "must be an amount (example: 142.50)")


def _bounded(exact: Decimal) -> Decimal:
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMALS:
        return exact
    return exact.quantize(Decimal(1).scaleb(-DECIMALS), context=EXACT_CONTEXT)


def to_minor(value: Decimal, exponent: int) -> int:
    """Whole minor units; less than ``FLOAT_NOISE`` is rounded away.

    ``exponent``: decimals of the currency. Raises ``RecordRejectedError`` (``too_many_decimals`` or
    ``amount_too_large``).
    """
    scaled = value.scaleb(exponent, EXACT_CONTEXT)
    whole = int(scaled)
    if whole != scaled:
        nearest = scaled.to_integral_value(ROUND_HALF_UP, EXACT_CONTEXT)
        if abs(EXACT_CONTEXT.subtract(scaled, nearest)) >= FLOAT_NOISE.scaleb(exponent):
            raise amount_rejected("too_many_decimals", f"is {value:f}, but its currency has {exponent} decimals")
        whole = int(nearest)
    if not -MAX_MINOR < whole < MAX_MINOR:
        raise amount_rejected(
            "amount_too_large", f"is {value:f}, but amounts must be below {from_minor(MAX_MINOR, exponent):f}"
        )
    return whole


@lru_cache(maxsize=8192)
def from_minor(minor: int, exponent: int) -> Decimal:
    """Minor units as an exact decimal with the decimals of the currency: 14250 cents are 142.50."""
    return Decimal(minor).scaleb(-exponent)


def per_unit(minor: int, quantity: int, exponent: int) -> Decimal:
    """The price of one unit, rounded half up to the currency's decimals; for display, not for sums."""
    return (from_minor(minor, exponent) / quantity).quantize(Decimal(1).scaleb(-exponent), rounding=ROUND_HALF_UP)
