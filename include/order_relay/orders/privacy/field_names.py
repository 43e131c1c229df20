"""Classifies members by name: identity, money, security code, payment field or free text."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_PAYMENT_WORDS = frozenset(["payment", "payments", "pay", "card", "cards", "cc", "pan", "creditcard", "debitcard"])
_PAYMENT_NAMES = re.compile(r"payment|creditcard|debitcard|cardn|^ccn")
_SECRET = re.compile(
    r"(?:card)?(?:cvv2?|cvc2?|cvn2?|csc|cav2?|cvd|cid)(?:code|number|no|num|value)?"
    r"|(?:credit|debit)?(?:card)?(?:security|verification)(?:code|number|no|num|value|id)"
    r"|(?:credit|debit)?cardcode|pin(?:code|number|block)?"
)
"""Complete names of security codes, in lower case without separators."""
_STRIPE = re.compile(r"track[123]?(?:data)?[123]?|mag(?:netic)?stripe(?:data)?")
_ONLY_IN_PAYMENT = frozenset(["csc", "cav", "cvd", "cid", "pin", "pincode", "pinnumber", "track", "track3"])
_SECRET_OUTSIDE = re.compile(
    r"cvv|cvc2?$|cvn|cav2|securitycode|cardcode|cardverification|verificationvalue|verificationcode|pinblock"
)
_OTHER_CODES = frozenset(
    ["gift", "coupon", "voucher", "promo", "promotion", "discount", "loyalty", "customer", "member"]
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


class FieldKind(Enum):
    """How the value of a member is treated."""

    IDENTITY = "identity"
    SECRET = "secret"  # noqa: S105  (a kind of field, not a credential)
    SECRET_IF_SHORT = "secret_if_short"  # noqa: S105
    STRIPE = "stripe"
    PAYMENT = "payment"
    TEXT = "text"


@lru_cache(maxsize=4096)
def classify_field(key: str, *, in_payment: bool) -> FieldKind:
    """The kind of a member by its name. ``in_payment``: the member is inside a payment object."""
    words = [word.lower() for word in _WORDS.findall(key)]
    joined = "".join(words)
    if _STRIPE.fullmatch(joined) and (in_payment or joined not in _ONLY_IN_PAYMENT):
        return FieldKind.SECRET if in_payment else FieldKind.STRIPE
    if in_payment and _SECRET.fullmatch(joined):
        return FieldKind.SECRET
    if not _OTHER_CODES & set(words) and (
        _SECRET_OUTSIDE.search(joined) or (_SECRET.fullmatch(joined) and joined not in _ONLY_IN_PAYMENT)
    ):
        return FieldKind.SECRET_IF_SHORT
    if in_payment:
        exempt = joined in _OWN_IN_PAYMENT or (words and words[-1] in _MONEY) or _order_or_item_number(words)
        return FieldKind.IDENTITY if exempt else FieldKind.PAYMENT
    if _PAYMENT_WORDS & {*words, joined} or _PAYMENT_NAMES.search(joined):
        money = bool(words) and words[-1] in _MONEY
        return FieldKind.IDENTITY if money else FieldKind.PAYMENT
    return FieldKind.IDENTITY if _is_identity(words) else FieldKind.TEXT


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
