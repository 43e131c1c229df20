"""Recognizes card numbers: an issuer's prefix, a length used by the brand, and a valid Luhn digit (ISO/IEC 7812)."""

from __future__ import annotations

from collections.abc import Iterable

_LENGTHS_16_TO_19 = frozenset(range(16, 20))

BRANDS: tuple[tuple[str, tuple[tuple[int, int], ...], frozenset[int]], ...] = (
    ("Visa", ((4000, 4999),), frozenset({13, 16, 19})),
    ("Mastercard", ((5100, 5599), (2221, 2720)), frozenset({16})),
    ("American Express", ((3400, 3499), (3700, 3799)), frozenset({15})),
    ("Discover", ((6011, 6011), (6440, 6599)), _LENGTHS_16_TO_19),
    ("Diners Club", ((3000, 3059), (3095, 3095), (3600, 3699), (3800, 3999)), frozenset(range(14, 20))),
    ("JCB", ((3528, 3589),), _LENGTHS_16_TO_19),
    ("JCB, older", ((1800, 1800), (2131, 2131)), frozenset({15})),
    ("UnionPay", ((6200, 6299),), _LENGTHS_16_TO_19),
    ("Maestro", ((5000, 5099), (5600, 5899), (6300, 6399), (6700, 6799)), frozenset(range(13, 20))),
    ("Mir", ((2200, 2204),), _LENGTHS_16_TO_19),
    ("Troy", ((9792, 9792),), frozenset({16})),
    ("Hipercard", ((6062, 6062),), frozenset({16})),
)
"""Name, ranges of the first four digits, and lengths, from public lists of issuer ranges.

Ranges that contain far more other numbers than cards (RuPay's 60, 81 and 82; UATP's 1) are left out, so that references
are not damaged."""


def _by_prefix(brands: Iterable[tuple[str, tuple[tuple[int, int], ...], frozenset[int]]]) -> dict[int, frozenset[int]]:
    lengths: dict[int, frozenset[int]] = {}
    for _, ranges, allowed in brands:
        for low, high in ranges:
            for prefix in range(low, high + 1):
                lengths[prefix] = lengths.get(prefix, frozenset()) | allowed
    return lengths


_LENGTHS = _by_prefix(BRANDS)


def is_card_number(digits: str) -> bool:
    """Whether a string of ASCII digits is a card number of any brand."""
    return 13 <= len(digits) <= 19 and len(digits) in _LENGTHS.get(int(digits[:4]), ()) and passes_luhn(digits)


def is_card_number_in_text(digits: str) -> bool:
    """Like ``is_card_number``, but only for 15 digits (American Express) or 16; others are ambiguous in free text."""
    if len(digits) == 15:
        return digits[:2] in ("34", "37") and passes_luhn(digits)
    return len(digits) == 16 and is_card_number(digits)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        total += value if position % 2 == 0 else (value * 2 - 9 if value > 4 else value * 2)
    return total % 10 == 0 and digits.strip("0") != ""
