"""The orders at SuperCat: raw JSON, identity and received flag."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_relay_sandbox.audit import Audit, Offer
from order_relay_sandbox.money import decimal_of, in_cents
from order_relay_sandbox.raw_json import encode
from order_relay_sandbox.supercat.switches import SuperCatSwitches

_MONEY = re.compile(rb'"(unit_price|extended_price|subtotal|discount|freight|tax|total)":\s*"(-?\d+(?:\.\d+)?)"')
_ID = re.compile(rb'^(\{\s*"id":\s*)(\d+)')


@dataclass(slots=True)
class Held:
    """One order: its exact JSON text and its audit entry."""

    raw: bytes
    offer: Offer


class OrderStore:
    """Submitted orders that are not yet flagged as received, in order of submission."""

    def __init__(self, audit: Audit, prefix: str = "") -> None:
        self._audit = audit
        self._prefix = prefix
        self._by_identity: dict[tuple[str, str, str], Held] = {}
        self._by_number: dict[str, list[Held]] = defaultdict(list)
        self._by_id: dict[str, Held] = {}
        self._nameless = 0

    def add(self, order: Mapping[str, Any] | bytes, kind: str = "offered") -> None:
        """Submit one order (an object, or its exact JSON text). A known identity replaces the content, and the
        order is offered again."""
        raw = order if isinstance(order, bytes) else encode(order)
        document = order if isinstance(order, Mapping) else _parsed(raw)
        offer = describe(document, kind, self._prefix)
        identity = (offer.source_id, offer.number, offer.lineage)
        if not any(identity):
            self._nameless += 1
            identity = (f"nameless {self._nameless}", "", "")
        held = self._by_identity.get(identity)
        if held is not None:
            held.raw, held.offer.total, held.offer.kind, held.offer.acknowledged = raw, offer.total, kind, False
            return
        held = Held(raw, self._audit.offer(offer))
        self._by_identity[identity] = held
        if offer.source_id:
            self._by_id[offer.source_id] = held
        if offer.number:
            self._by_number[offer.number].append(held)

    def add_all(self, orders: Iterable[Mapping[str, Any] | bytes], kind: str = "offered") -> int:
        """Submit several orders; returns their number."""
        count = 0
        for order in orders:
            self.add(order, kind)
            count += 1
        return count

    def pending(self, switches: SuperCatSwitches) -> list[Held]:
        """Orders not flagged as received, in the sequence set by the switches."""
        held = [h for h in self._by_identity.values() if not h.offer.acknowledged]
        if switches.order_of_list == "newest_first":
            held.reverse()
        elif switches.order_of_list == "shuffled":
            random.Random(len(held)).shuffle(held)
        return held[: switches.list_at_most] if switches.list_at_most else held

    def submitted(self, start: datetime | None, end: datetime | None, *, received_only: bool) -> list[Held]:
        """Orders submitted in [start, end], received or not; those without a readable time always."""
        return [
            held
            for held in self._by_identity.values()
            if (held.offer.acknowledged or not received_only) and _is_between(_submitted_at(held.raw), start, end)
        ]

    def numbered(self, number: str) -> list[Held]:
        """The orders with this order number; several only in some scenarios."""
        return self._by_number.get(number, [])

    def with_id(self, source_id: str) -> Held | None:
        """The order with this numeric id, if any."""
        return self._by_id.get(source_id)


def _submitted_at(raw: bytes) -> datetime | None:
    document = _parsed(raw)
    try:
        return datetime.fromisoformat(document["submitted_at"])
    except (KeyError, TypeError, ValueError):
        return None


def _is_between(moment: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    return moment is None or ((start is None or start <= moment) and (end is None or moment <= end))


def _parsed(raw: bytes) -> Any:
    """The order for the audit; text that cannot be parsed is offered, too, without an identity."""
    try:
        return json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def describe(document: Any, kind: str, prefix: str) -> Offer:
    """The audit entry of an order; missing values and those of a wrong type are empty."""
    order = document if isinstance(document, Mapping) else {}
    number, uuid, total = order.get("order_number"), order.get("uuid"), decimal_of(order.get("total"))
    source_id = order.get("id")
    usable = isinstance(source_id, int | str) and not isinstance(source_id, bool)
    id_text = str(source_id) if usable else ""
    return Offer(
        source="supercat",
        number=number if isinstance(number, str) else "",
        source_id=id_text,
        lineage=uuid.upper() if isinstance(uuid, str) else "",
        rank=int(id_text) if id_text.isascii() and id_text.isdigit() else None,
        external_id=prefix + number if isinstance(number, str) else "",
        total=None if total is None else in_cents(total),
        kind=kind,
    )


def rendered(raw: bytes, switches: SuperCatSwitches) -> bytes:
    """The text of an order with ids and amounts in the form set by the switches; digits are kept."""
    if switches.money_as == "number":
        raw = _MONEY.sub(rb'"\1":\2', raw)
    if switches.id_as == "string":
        raw = _ID.sub(rb'\1"\2"', raw)
    return raw
