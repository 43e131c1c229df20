"""Card data in payloads: members that hold it by name, unless masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

CARD_FIELD_PATTERN = re.compile(r"card_?number|security_?code|cvv|cvc", re.IGNORECASE)
"""Names of members that hold card data."""

_MASKED = re.compile(r"0{9,15}[0-9]{1,4}", re.ASCII)
"""A masked card number: zeros and at most four digits."""


def is_masked(value: Any) -> bool:
    """Whether a card number is masked: zeros and at most four digits."""
    return isinstance(value, str) and _MASKED.fullmatch(value) is not None


def find_card_fields(node: Any, location: str, depth: int = 0) -> Iterator[str]:
    """Pointers to members that hold card data, to a bounded depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if CARD_FIELD_PATTERN.search(str(name)) and value is not None and not is_masked(value):
                yield f"{location}/{name}"
            elif isinstance(value, dict | list) and depth < 20:
                yield from find_card_fields(value, f"{location}/{name}", depth + 1)
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from find_card_fields(value, f"{location}/{at}", depth + 1)
