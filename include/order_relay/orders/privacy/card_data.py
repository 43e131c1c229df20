"""Removes card data from an order before it is first written. Everything else is left unchanged.

The name of a member (in camelCase, snake_case or separate words, for any vendor) selects the rule:

* Identities, money and quantities (``id``, ``uuid``, order and item numbers, UPC, totals, ...) are never changed,
  because one order number in ten passes the Luhn test once its dashes are removed.
* Security codes (``cvv``, ``security_code``, ...) and magnetic stripes: the whole value is removed if the member is
  inside a payment object and has exactly such a name, or if the value has 3 or 4 digits (``CardCode`` may be a
  customer).
* Payment fields (below ``payment``, ``card``, ...): 13 to 19 digits, also in groups, with the prefix and length of a
  card brand and a valid Luhn check digit (``card_numbers``).
* Everything else is free text: 15 or 16 digits, unbroken or grouped as on a card, with an issuer's prefix and a valid
  Luhn check digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from order_relay.orders.privacy.card_numbers import is_card_number, is_card_number_in_text
from order_relay.orders.privacy.field_names import FieldKind, classify_field
from order_relay.orders.schema.validator import pointer

REDACTED = "[card data cut]"
"""Replaces removed text in the archive. It is never sent (see ``redaction_marks``)."""

_GAP = r"[ \t\r\n._/\-\u00a0\u00ad\u2000-\u2015\u202f\u2060\u2212\u3000\ufeff]"
_GROUPED = re.compile(
    rf"(?<!\d)(?=(\d{{4}}{_GAP}{{0,3}}(?:\d{{4}}{_GAP}{{0,3}}\d{{4}}{_GAP}{{0,3}}\d{{4}}|\d{{6}}{_GAP}{{0,3}}\d{{5}}))(?!\d))"
)
_RUN = re.compile(rf"\d(?:{_GAP}{{0,3}}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_THREE_OR_FOUR = re.compile(r"\d{3,4}")


def redact(document: Any) -> tuple[Any, list[str]]:
    """Return ``document`` without card data, and the JSON pointers of the members that were changed.

    The argument is not modified. If nothing is removed, the same object is returned.
    """
    pointers: list[str] = []
    return _redact(document, FieldKind.TEXT, (), pointers, in_payment=False), pointers


def redact_text(text: str) -> tuple[str, int]:
    """Remove anything that may be card data from a text of unknown structure; returns the text and the number of cuts.

    For texts that are never sent: the stricter rule of payment fields applies everywhere, and values of named security
    codes are removed.
    """
    cleaned, numbers = _redact_payment_text(text)
    cleaned, codes = _NAMED_CODE.subn(rf'\1"{REDACTED}"', cleaned)
    return cleaned, numbers + codes


_NAMED_CODE = re.compile(
    r"(\"(?:[a-z]*[ _-]?)?(?:cvv2?|cvc2?|cvn2?|csc|cvd|card[ _-]?code|security[ _-]?code"
    r"|verification[ _-]?(?:code|value|number)|track[ _-]?[123]?(?:data)?)\"\s*:\s*)"
    r"(?:\"(?:[^\"\\]|\\.)*\"|[0-9.eE+-]+)",
    re.IGNORECASE,
)


def is_clean(document: Any, encoded: bytes) -> bool:
    """Whether a document (and its JSON text ``encoded``) certainly holds no card data. If not, call ``redact``.

    A fast check, so that ``redact`` need not walk every order: it checks the names, the few payment fields, and
    searches the JSON text once for a sufficiently long run of digits.
    """
    if not encoded.isascii() and _has_unusual_characters(encoded):
        return False
    if _FIFTEEN in encoded.translate(_DIGITS_AS_ZERO, _ASCII_GAPS) and _may_hold_card(encoded):
        return False
    return not _suspicious(document)


_ASCII = bytes(range(128))
_ASCII_GAPS = b" ._/-\\nrt"  # the letters belong to escapes; elsewhere they only cause a needless full check
_DIGITS_AS_ZERO = bytes(48 if 48 <= code <= 57 else code for code in range(256))
_FIFTEEN = b"0" * 15
_ASCII_RUN = re.compile(rb"[0-9][0-9 ._/\\nrt-]{14,}")
_ESCAPED_GAP = re.compile(rb"\\[nrt]")
_CONTAINERS = frozenset((dict, list))
_DIGIT_OR_GAP = re.compile(rf"\d|{_GAP}")


def _may_hold_card(encoded: bytes) -> bool:
    """Whether free text with this JSON form could hold a card number; many order numbers have 15 digits, too."""
    if b"\\u" in encoded:  # the digits of an escape would precede those of a card
        return True
    return any(_redact_free_text(_ESCAPED_GAP.sub(b" ", run).decode())[1] for run in _ASCII_RUN.findall(encoded))


def _has_unusual_characters(encoded: bytes) -> bool:
    """Whether digits of another script or non-ASCII gaps make the fast check unreliable."""
    return _DIGIT_OR_GAP.search(encoded.translate(None, _ASCII).decode(errors="replace")) is not None


def _suspicious(document: Any) -> bool:
    """Whether a member name or a payment field requires the full check. Free text is not checked here.

    Runs for every order, hence a loop without calls and one cached result for all names of the order together.
    """
    waiting = [document]
    objects: list[dict[str, Any]] = []
    names: set[str] = set()
    for value in waiting:  # grows while it is walked
        if type(value) is dict:
            objects.append(value)
            names.update(value)
            waiting += [item for item in value.values() if type(item) in _CONTAINERS]
        elif type(value) is list:
            waiting += [item for item in value if type(item) in _CONTAINERS]
    payment = _payment_names(frozenset(names))
    if payment is None:
        return True
    pointers: list[str] = []
    for name in payment:
        for value in objects:
            if name in value:
                _redact(value[name], FieldKind.PAYMENT, (), pointers, in_payment=True)
    return bool(pointers)


@lru_cache(maxsize=1024)
def _payment_names(names: frozenset[str]) -> tuple[str, ...] | None:
    """The names that are payment fields; ``None`` if a name itself requires the full check."""
    kinds = {name: classify_field(name, in_payment=False) for name in names}
    if _NEED_INSPECTION & set(kinds.values()) or any(_redact_by_rule(name, _redact_free_text)[1] for name in names):
        return None
    return tuple(name for name, kind in kinds.items() if kind is FieldKind.PAYMENT)


JsonPath = tuple[str | int, ...]


def _redact(value: Any, kind: FieldKind, path: JsonPath, pointers: list[str], *, in_payment: bool) -> Any:
    if isinstance(value, dict):
        return _redact_members(value, path, pointers, in_payment=in_payment)
    if isinstance(value, list):
        items = [_redact(item, kind, (*path, at), pointers, in_payment=in_payment) for at, item in enumerate(value)]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if value is None or isinstance(value, bool) or kind is FieldKind.IDENTITY:
        return value
    new, count = _redact_by_rule(value, _redact_payment_text if kind in _BY_PAYMENT_RULE else _redact_free_text)
    if kind is FieldKind.STRIPE and count:
        new = REDACTED
    if kind is FieldKind.SECRET_IF_SHORT and not count and _THREE_OR_FOUR.fullmatch(_as_text(value).strip()):
        new, count = REDACTED, 1
    if count:
        pointers.append(pointer(path))
    return new


MAX_REFERENCE_LENGTH = 20
"""Maximum digits of a single reference number; a longer run consists of several numbers."""
_BY_PAYMENT_RULE = frozenset([FieldKind.PAYMENT, FieldKind.STRIPE, FieldKind.SECRET_IF_SHORT])
_NEED_INSPECTION = frozenset([FieldKind.SECRET, FieldKind.SECRET_IF_SHORT, FieldKind.STRIPE])


def _as_text(value: Any) -> str:
    """A value with its digits written out: a number such as ``4.2E+15`` may be a card number."""
    if isinstance(value, str):
        return value
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if isinstance(exact, Decimal) and exact.is_finite() and abs(exact.adjusted()) < 40:
        return str(int(exact)) if exact == exact.to_integral_value() else f"{exact:f}"
    return format(value)


def _redact_by_rule(value: Any, rule: Callable[[str], tuple[str, int]]) -> tuple[Any, int]:
    text = _as_text(value)
    if len(text) < 13:
        return value, 0
    cleaned, count = rule(text)
    return (cleaned, count) if count else (value, 0)


def _redact_members(value: dict[str, Any], path: JsonPath, pointers: list[str], *, in_payment: bool) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    before = len(pointers)
    for key, item in value.items():
        new_key, key_cuts = _redact_by_rule(key, _redact_payment_text if in_payment else _redact_free_text)
        while key_cuts and new_key in changed:
            new_key += "'"
        member_path = (*path, new_key)
        pointers += [pointer(member_path)] * bool(key_cuts)
        kind = classify_field(key, in_payment=in_payment)
        if kind is FieldKind.SECRET:
            empty = item in (None, "", REDACTED) or isinstance(item, bool)
            changed[new_key] = item if empty else REDACTED
            pointers += [] if empty else [pointer(member_path)]
        else:
            inner = in_payment or kind in _BY_PAYMENT_RULE
            changed[new_key] = _redact(item, kind, member_path, pointers, in_payment=inner)
    return changed if len(pointers) > before else value


def _redact_payment_text(text: str) -> tuple[str, int]:
    """Redact card numbers, unbroken or in groups of any size, regardless of the text around them."""
    count = 0

    def in_run(match: re.Match[str]) -> str:
        nonlocal count
        pieces, end = [], 0
        for low, high in _cards_of(match[0]):
            pieces += [match[0][end:low], REDACTED]
            end = high
            count += 1
        return "".join([*pieces, match[0][end:]])

    cleaned = _RUN.sub(in_run, text)
    return cleaned, count


def _cards_of(run: str) -> Iterator[tuple[int, int]]:
    """Start and end of each card number in a run of digits and gaps. A card number consists of whole groups.

    A run of up to 20 digits may be a single reference; it counts as a card only if it begins with one.
    """
    groups = [(match.start(), match.end(), _digits(match[0])) for match in _GROUP.finditer(run)]
    several = sum(len(digits) for _, _, digits in groups) > MAX_REFERENCE_LENGTH
    first = 0
    while first < len(groups) and (several or first == 0):
        digits, after = "", first + 1
        for last in range(first, len(groups)):
            digits += groups[last][2]
            if len(digits) > 19:
                break
            if is_card_number(digits):
                after = last + 1
        if after > first + 1 or is_card_number(groups[first][2]) or _is_swipe(groups[first][2]):
            yield groups[first][0], groups[after - 1][1]
        first = after


def _is_swipe(digits: str) -> bool:
    """Whether the digits begin with a card number followed directly by its expiry date, as on a magnetic stripe."""
    return len(digits) > MAX_REFERENCE_LENGTH and any(
        is_card_number(digits[:size]) and _DATE.match(digits, size) is not None for size in (15, 16, 19)
    )


_DATE = re.compile(r"(?:0[1-9]|1[0-2])[0-9]{2}|[0-9]{2}(?:0[1-9]|1[0-2])")


def _redact_free_text(text: str) -> tuple[str, int]:
    pieces: list[str] = []
    end = count = 0
    for match in _GROUPED.finditer(text):  # a lookahead: overlapping groupings are all seen
        grouped = match[1]
        digits = _digits(grouped)
        if match.start() >= end and is_card_number_in_text(digits):
            pieces += [text[end : match.start()], REDACTED]
            end = match.start() + len(grouped)
            count += 1
    return ("".join([*pieces, text[end:]]), count) if count else (text, 0)


def _digits(text: str) -> str:
    """The digits of ``text`` in ASCII, regardless of their script."""
    return "".join(str(int(char)) for char in text if char.isdecimal())
