"""Cuts card data out of an order before it is first written, and touches nothing else.

What a member is, its key name tells (of any vendor; camelCase, snake_case or words):

* identities, money, quantities (``id``, ``uuid``, order and item numbers, UPC, totals, ...): never touched, since one
  order number in ten passes the Luhn test once its dashes are dropped;
* security codes (``cvv``, ``security_code``, ...) and magnetic stripes: the whole value goes;
* payment fields (below ``payment``, ``card``, ...): any run of 13 to 19 digits that passes Luhn goes;
* everything else is free text: 15 or 16 digits, unbroken or in card grouping, with an issuer's prefix and a valid Luhn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

CUT = "[card data cut]"
"""What stands in the place of what was cut."""

_GAP = r"[ \t\r\n._/\-\u00a0\u2000-\u200b\u202f\u2010-\u2015\u2212]"
_GROUPED = re.compile(
    rf"(?<!\d)(?=(\d{{4}}{_GAP}{{0,3}}(?:\d{{4}}{_GAP}{{0,3}}\d{{4}}{_GAP}{{0,3}}\d{{4}}|\d{{6}}{_GAP}{{0,3}}\d{{5}}))(?!\d))"
)
_RUN = re.compile(rf"\d(?:{_GAP}{{0,3}}\d){{12,}}")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_PAYMENT_WORDS = frozenset(["payment", "payments", "pay", "card", "cards", "cc", "pan", "creditcard", "debitcard"])
_PAYMENT_NAMES = re.compile(r"payment|creditcard|debitcard|cardn|^ccn")
_SECRET_WORDS = frozenset(["cvv", "cvc", "cvn", "cvv2", "cvc2", "cav2", "pinblock", "track1", "track2"])
_SECRET_IN_PAYMENT = frozenset(["csc", "cav", "cvd", "cid", "pin", "track"])
_SECRET_NAMES = re.compile(
    r"securitycode|cardcode|cardverification|verificationvalue|verificationcode|trackdata|magstripe|magneticstripe"
)
_ALWAYS_IDENTITY = frozenset(["id", "ids", "uuid", "guid", "upc", "ean", "gtin", "sku", "isbn", "asin"])
_MONEY = frozenset(
    [
        "quantity",
        "qty",
        "price",
        "total",
        "subtotal",
        "amount",
        "discount",
        "freight",
        "tax",
        "currency",
        "shipping",
        "cost",
    ]
)
_NUMBERED = frozenset(
    [
        "order",
        "item",
        "line",
        "customer",
        "product",
        "part",
        "invoice",
        "account",
        "vendor",
        "supplier",
        "model",
        "serial",
        "tracking",
        "shipment",
        "webshop",
        "purchase",
        "catalog",
        "catalogue",
    ]
)
_NUMBER_WORDS = frozenset(["number", "numbers", "no", "num", "nr", "code", "key", "reference", "ref"])
_OWN_IN_PAYMENT = frozenset(["id", "uuid", "guid"])


class Kind(Enum):
    """How the values under a key are treated."""

    IDENTITY = "identity"
    SECRET = "secret"  # noqa: S105  (a kind of field, not a credential)
    PAYMENT = "payment"
    TEXT = "text"


def cut(document: Any) -> tuple[Any, int]:
    """``document`` without card data, and how many values were cut. The argument itself is never changed.

    Where nothing is cut, the very same object comes back.
    """
    return _cut(document, Kind.TEXT, in_payment=False)


def looks_clean(document: Any, encoded: bytes) -> bool:
    """Whether a document (and its JSON text) surely holds nothing to cut; ``False`` means: let ``cut`` look closely.

    Quick, so that ``cut`` need not go through every text of every order: it looks at the names, at the few payment
    fields, and once over the text for as many digits as free text must have.
    """
    if not encoded.isascii() and _odd_characters(encoded):
        return False
    if _FIFTEEN in encoded.translate(_DIGITS_AS_ZERO, _ASCII_GAPS) and _may_hold_card(encoded):
        return False
    return not _suspicious(document)


_ASCII = bytes(range(128))
_ASCII_GAPS = b" ._/-\\nrt"  # the letters belong to escapes; as letters they only cost a needless close look
_DIGITS_AS_ZERO = bytes(48 if 48 <= code <= 57 else code for code in range(256))
_FIFTEEN = b"0" * 15
_ASCII_RUN = re.compile(rb"[0-9][0-9 ._/\\nrt-]{14,}")
_ESCAPED_GAP = re.compile(rb"\\[nrt]")
_CONTAINERS = frozenset((dict, list))
_ODD = re.compile(rf"\d|{_GAP}")


def _may_hold_card(encoded: bytes) -> bool:
    """Whether free text with this JSON form could hold a card: many an order number has fifteen digits, too."""
    if b"\\u" in encoded:  # its digits would stand before those of a card
        return True
    return any(_free_text(_ESCAPED_GAP.sub(b" ", run).decode())[1] for run in _ASCII_RUN.findall(encoded))


def _odd_characters(encoded: bytes) -> bool:
    """Whether digits of another script, or gaps that are not ASCII, make the quick look unreliable."""
    return _ODD.search(encoded.translate(None, _ASCII).decode(errors="replace")) is not None


def _suspicious(document: Any) -> bool:
    """Whether a name, or something in a payment field, calls for a close look. Free text is not looked at here.

    Runs for every order: hence a loop without calls, and one cached judgement for all names of the order together.
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
    fields = (value[name] for name in payment for value in objects if name in value)
    return any(_cut(field, Kind.PAYMENT, in_payment=True)[1] for field in fields)


@lru_cache(maxsize=1024)
def _payment_names(names: frozenset[str]) -> tuple[str, ...] | None:
    """Those of the names that are payment fields; ``None`` where a name itself calls for a close look."""
    kinds = {name: kind_of(name, in_payment=False) for name in names}
    if Kind.SECRET in kinds.values() or any(_by_rule(name, _free_text)[1] for name in names):
        return None
    return tuple(name for name, kind in kinds.items() if kind is Kind.PAYMENT)


@lru_cache(maxsize=4096)
def kind_of(key: str, *, in_payment: bool) -> Kind:
    """What the name of a member says about its value."""
    words = [word.lower() for word in _WORDS.findall(key)]
    joined = "".join(words)
    secret = _SECRET_WORDS | _SECRET_IN_PAYMENT if in_payment else _SECRET_WORDS
    if secret & {*words, joined} or _SECRET_NAMES.search(joined):
        return Kind.SECRET
    if in_payment:
        exempt = joined in _OWN_IN_PAYMENT or (words and words[-1] in _MONEY) or _order_or_item_number(words)
        return Kind.IDENTITY if exempt else Kind.PAYMENT
    if _PAYMENT_WORDS & {*words, joined} or _PAYMENT_NAMES.search(joined):
        money = bool(words) and words[-1] in _MONEY
        return Kind.IDENTITY if money else Kind.PAYMENT
    return Kind.IDENTITY if _is_identity(words) else Kind.TEXT


def _is_identity(words: list[str]) -> bool:
    if not words:
        return False
    if words[-1] in _ALWAYS_IDENTITY or words[-1] in _MONEY:
        return True
    if words in (["number"], ["reference"], ["line"]):
        return True
    return len(words) > 1 and words[-1] in _NUMBER_WORDS and bool(_NUMBERED & set(words[:-1]))


def _order_or_item_number(words: list[str]) -> bool:
    return len(words) > 1 and words[-1] in _NUMBER_WORDS and words[0] in ("order", "item")


def _cut(value: Any, kind: Kind, *, in_payment: bool) -> tuple[Any, int]:
    if isinstance(value, dict):
        return _cut_members(value, in_payment=in_payment)
    if isinstance(value, list):
        return _cut_list(value, kind, in_payment=in_payment)
    if value is None or isinstance(value, bool) or kind is Kind.IDENTITY:
        return value, 0
    rule = _payment_text if kind is Kind.PAYMENT else _free_text
    return _by_rule(value, rule)


def _by_rule(value: Any, rule: Callable[[str], tuple[str, int]]) -> tuple[Any, int]:
    text = value if isinstance(value, str) else format(value)
    if len(text) < 13:
        return value, 0
    mended, count = rule(text)
    return (mended, count) if count else (value, 0)


def _cut_list(value: list[Any], kind: Kind, *, in_payment: bool) -> tuple[Any, int]:
    pairs = [_cut(item, kind, in_payment=in_payment) for item in value]
    count = sum(pair[1] for pair in pairs)
    return ([pair[0] for pair in pairs], count) if count else (value, 0)


def _cut_members(value: dict[str, Any], *, in_payment: bool) -> tuple[Any, int]:
    changed: dict[str, Any] = {}
    total = 0
    for key, item in value.items():
        new_key, key_cuts = _by_rule(key, _payment_text if in_payment else _free_text)
        kind = kind_of(key, in_payment=in_payment)
        if kind is Kind.SECRET:
            new, count = (item, 0) if item in (None, "", CUT) or isinstance(item, bool) else (CUT, 1)
        else:
            new, count = _cut(item, kind, in_payment=in_payment or kind is Kind.PAYMENT)
        while key_cuts and new_key in changed:
            new_key += "'"
        changed[new_key] = new
        total += count + key_cuts
    return (changed, total) if total else (value, 0)


def _payment_text(text: str) -> tuple[str, int]:
    """Runs of 13 to 19 digits with a valid Luhn, whatever stands between the digits; longer runs that hold a card."""
    count = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal count
        digits = _digits(match[0])
        if (len(digits) <= 19 and _luhn(digits)) or _holds_card(digits):
            count += 1
            return CUT
        return match[0]

    mended = _RUN.sub(judge, text)
    return mended, count


def _holds_card(digits: str) -> bool:
    windows = (digits[at : at + size] for size in (15, 16) for at in range(len(digits) - size + 1))
    return any(_issued(window) and _luhn(window) for window in windows)


def _free_text(text: str) -> tuple[str, int]:
    pieces: list[str] = []
    end = count = 0
    for match in _GROUPED.finditer(text):  # a lookahead: overlapping groupings are all seen
        found = match[1]
        digits = _digits(found)
        if match.start() >= end and _issued(digits) and _luhn(digits):
            pieces += [text[end : match.start()], CUT]
            end = match.start() + len(found)
            count += 1
    return ("".join([*pieces, text[end:]]), count) if count else (text, 0)


def _digits(text: str) -> str:
    """The digits of ``text`` in ASCII, whatever script they were written in."""
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _issued(digits: str) -> bool:
    """Whether a number of 15 or 16 digits begins as the large issuers' do (ranges of ISO/IEC 7812, public lists)."""
    if len(digits) == 15:
        return digits[:2] in ("34", "37")
    four = int(digits[:4])
    return (
        digits[0] == "4"
        or 5100 <= four <= 5599
        or 2221 <= four <= 2720
        or four == 6011
        or 6440 <= four <= 6599
        or 3528 <= four <= 3589
        or 6200 <= four <= 6299
        or 5000 <= four <= 5099
        or 5600 <= four <= 5899
        or 6300 <= four <= 6399
        or 6700 <= four <= 6799
    )


def _luhn(digits: str) -> bool:
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        total += value if position % 2 == 0 else (value * 2 - 9 if value > 4 else value * 2)
    return total % 10 == 0 and digits.strip("0") != ""
