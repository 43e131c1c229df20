"""Masks personal data for display: of a document only values that cannot be personal remain.

Names and addresses have no fixed place in documents of different vendors, so values are not searched for personal data.
Instead, a value is shown only if the name of its member says that it is an identity, a quantity or an amount
(``field_names``), and the value has the form of one. Everything else is masked, including unknown members.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from order_relay.orders.json_text import decode, indent
from order_relay.orders.privacy.field_names import FieldKind, classify_field

MASK = "•••"
"""Shown in place of a masked value."""

_CODE = re.compile(r"[A-Za-z0-9]+(?:[-_./#][A-Za-z0-9]+)*", re.ASCII)
_MAX_CODE = 40
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
_PERSONAL = re.compile(r"customer|purchase|member|buyer|contact|person|user|phone|fax|tax_?id|^po", re.IGNORECASE)


def mask_document(document: Any) -> Any:
    """The document with ``MASK`` in place of every value that may be personal data; names of members remain.

    ``None`` and booleans are shown. The argument is not modified.
    """
    return _mask(document, shown=False, in_payment=False)


def mask_json(text: str) -> str:
    """Indented JSON of ``mask_document``; ``MASK`` if the text is not JSON."""
    try:
        return indent(mask_document(decode(text.encode())))
    except (ValueError, RecursionError):
        return MASK


def _mask(value: Any, *, shown: bool, in_payment: bool) -> Any:
    if isinstance(value, dict):
        return {_name(name): _mask_member(name, item, in_payment=in_payment) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, shown=shown, in_payment=in_payment) for item in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if not shown:
        return MASK
    if isinstance(value, int | float | Decimal):
        return value
    return value if len(value) <= _MAX_CODE and _CODE.fullmatch(value) and _has_digit(value) else MASK


def _mask_member(name: str, value: Any, *, in_payment: bool) -> Any:
    kind = classify_field(name, in_payment=in_payment)
    shown = kind is FieldKind.IDENTITY and not _PERSONAL.search(name)
    return _mask(value, shown=shown, in_payment=in_payment or kind is FieldKind.PAYMENT)


def _name(name: str) -> str:
    """The name of a member, unless it is unusual: maps may have a customer's texts as keys."""
    return name if _MEMBER.fullmatch(name) else MASK


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)
