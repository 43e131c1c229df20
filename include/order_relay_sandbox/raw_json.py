"""Orders as exact JSON texts, so that numbers and duplicate keys stay as they were offered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any


def encode(order: Mapping[str, Any]) -> bytes:
    """One order as JSON; ``Decimal`` becomes a decimal string (pass JSON text to get numbers)."""
    text = json.dumps(order, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def split_array(text: str) -> Iterator[bytes]:
    """The elements of a JSON array as exact texts, to keep numbers and duplicate keys unchanged.

    Raises ``ValueError`` if the text is not an array.
    """
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError("a JSON array is expected")
    position = _skip(text, position + 1)
    while text[position : position + 1] != "]":
        _, end = decoder.raw_decode(text, position)
        yield text[position:end].encode("utf-8", "surrogatepass")
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
