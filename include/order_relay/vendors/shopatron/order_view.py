"""The traits of an order, from a search row, from its detail, or from one of our payloads.

Member names: docs/vendors/shopatron.md, "Looking orders up" (mostly assumed, hence the setting ``shown_members``).
A missing member proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from order_relay.errors import RecordRejectedError
from order_relay.orders.identity.traits import OTHER, OURS, UNNAMED, Traits, word_set
from order_relay.orders.money.amounts import amount
from order_relay.times import as_utc

MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "manufacturer": "manufacturerID",
        "total": "customerTotal,total",
        "currency": "orderCurrency,currency",
        "created": "orderDate",
        "email": "customer.email",
        "first_name": "customer.firstName",
        "last_name": "customer.lastName",
        "items": "orderItems",
        "part_number": "product.partNumber,partNumber",
        "marks": "customOrderData,customData",
    }
)
"""Paths of the compared values, separated by commas; the first that is present counts, of totals all."""

IDENTITY_MARKS = ("sourceID", "sourceOrderNumber")
"""Entries of ``customOrderData`` that identify an order independently of later decisions and mappings."""

ASK, COUNT_AS_OURS = "ask", "ours"


@dataclass(frozen=True)
class OrderView:
    """How the orders of an account are read."""

    manufacturer_id: int
    members: Mapping[str, str] = field(default_factory=dict)
    unnamed: str = ASK

    def traits(self, order: Mapping[str, Any]) -> Traits:
        """The traits of a search row or an order."""
        return Traits(
            owner=self._owner(order),
            totals=tuple(total for value in self._all(order, "total") if (total := _amount(value)) is not None),
            currency=self._text(order, "currency"),
            created=parse_time(self._text(order, "created")),
            email=self._text(order, "email"),
            name=word_set(self._text(order, "first_name"), self._text(order, "last_name")),
            items=frozenset(self._text(item, "part_number") for item in _items(self._all(order, "items"))) - {""},
            marks=_marks(self._all(order, "marks")),
        )

    def _owner(self, order: Mapping[str, Any]) -> str:
        for value in self._all(order, "manufacturer"):
            number = int(value) if isinstance(value, float) and value.is_integer() else value
            if re.fullmatch(r"[0-9]{1,18}", text := plain_text(number)) and int(text):  # ids begin at 1: 0 names none
                return OURS if int(text) == self.manufacturer_id else OTHER
        return OURS if self.unnamed == COUNT_AS_OURS else UNNAMED

    def _all(self, document: Mapping[str, Any], name: str) -> list[Any]:
        paths = self.members.get(name, MEMBERS[name])
        found = (_value_at(document, path.strip()) for path in paths.split(",") if path.strip())
        return [value for value in found if value is not None]

    def _text(self, document: Mapping[str, Any], name: str) -> str:
        return next((value.strip() for value in self._all(document, name) if isinstance(value, str)), "")


def payload_traits(payload: bytes) -> Traits:
    """The traits of one of our payloads, to compare with those the OMS shows; empty if it is unreadable."""
    try:
        document: Any = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return Traits()
    if not isinstance(document, dict):
        return Traits()
    customer = _mapping(document.get("customer"))
    data = _mapping(document.get("customOrderData"))
    return Traits(
        currency=plain_text(document.get("currency")),
        email=plain_text(customer.get("email")),
        name=word_set(plain_text(customer.get("firstName")), plain_text(customer.get("lastName"))),
        items=frozenset(
            plain_text(_mapping(item.get("product")).get("partNumber")) for item in _items([document.get("orderItems")])
        )
        - {""},
        marks={name: plain_text(data[name]) for name in IDENTITY_MARKS if plain_text(data.get(name))},
    )


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 time; without a zone it is read as UTC."""
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _value_at(document: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(step)
    return document


def first_value(document: Mapping[str, Any], paths: str) -> Any:
    """The value at the first of ``paths`` (separated by commas) that is present, otherwise ``None``."""
    found = (_value_at(document, path.strip()) for path in paths.split(",") if path.strip())
    return next((value for value in found if value is not None), None)


def _amount(value: Any) -> Decimal | None:
    try:
        return amount(round(value, 6) if isinstance(value, float) else value)
    except (RecordRejectedError, OverflowError, ValueError):
        return None


def _items(found: list[Any]) -> list[Mapping[str, Any]]:
    return [item for value in found if isinstance(value, list) for item in value if isinstance(item, Mapping)]


def _marks(found: list[Any]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for value in reversed(found):
        shown.update((name, plain_text(text)) for name, text in _mapping(value).items() if plain_text(text))
    return shown


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def plain_text(value: Any) -> str:
    """A text, or the digits of an integer; otherwise empty."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
