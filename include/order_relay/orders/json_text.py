"""JSON text with exact numbers: fractions are decoded as ``Decimal`` and encoded as plain numbers."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """``value`` as compact UTF-8 JSON, members in their own order. Use ``Decimal`` instead of binary floats.

    Raises ``TypeError`` or ``UnicodeEncodeError`` if the value has no JSON form (such as a lone surrogate).
    """
    return _ENCODER.encode(value)


def indent(value: Any) -> str:
    """``value`` as JSON text of several lines, for display; raises as ``encode``."""
    return msgspec.json.format(encode(value), indent=1).decode()


def decode(text: bytes) -> Any:
    """The value of a JSON text that ``encode`` wrote; fractions and exponents become ``Decimal``, integers ``int``.

    Raises ``ValueError`` if it is not JSON. Duplicate keys are not detected.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {type(error).__name__}") from None


def canonical_hash(value: Any) -> str:
    """SHA-256 (hex) over the encoding with sorted members: the order of members does not matter.

    Numbers are compared as written: 1.10 and 1.1 differ.
    """
    return hashlib.sha256(_SORTED.encode(value)).hexdigest()
