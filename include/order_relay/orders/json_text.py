"""JSON text that keeps numbers exact: fractions are ``Decimal`` on the way in and plain numbers on the way out."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """``value`` as compact UTF-8 JSON, members in their own order. Binary floats do not belong in it; use ``Decimal``.

    Raises ``TypeError`` or ``UnicodeEncodeError`` where the value has no JSON form (such as a lone surrogate).
    """
    return _ENCODER.encode(value)


def decode(text: bytes) -> Any:
    """The value of our own JSON text; fractions and exponents become ``Decimal``, integers ``int`` of any size.

    Raises ``ValueError`` where it is not JSON. Meant for what ``encode`` wrote: duplicate keys are not refused here.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {type(error).__name__}") from None


def canonical_hash(value: Any) -> str:
    """SHA-256 (hex) over the encoding with sorted members: the same content gives the same hash, whatever the order.

    Numbers count as written: 1.10 and 1.1 differ.
    """
    return hashlib.sha256(_SORTED.encode(value)).hexdigest()
