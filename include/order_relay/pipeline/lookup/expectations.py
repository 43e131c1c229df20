"""Traits of our own orders, for comparison with the orders that the destination shows under their external ids."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.ledger.schema.records import InDoubtOrder, Sendable, decimal_total
from order_relay.orders.identity.traits import TimeSpan, Traits
from order_relay.pipeline.ports import Destination

log = logging.getLogger(__name__)

SentOrder = Sendable | InDoubtOrder
"""An order that was, or will be, sent."""


class ExpectedOrders:
    """Traits of our orders by external id, read on demand. ``dated``: when they may be dated."""

    def __init__(
        self,
        destination: Destination,
        payloads: BatchStore | None,
        orders: Sequence[SentOrder],
        dated: Mapping[str, tuple[TimeSpan, ...]],
    ) -> None:
        self._destination, self._payloads, self._dated = destination, payloads, dated
        self._orders = {order.destination_key: order for order in orders}

    async def __call__(self, keys: Sequence[str]) -> dict[str, Traits]:
        """Traits by external id. If a payload was removed or cannot be read, only the ledger's values are used."""
        by_object: dict[str, list[SentOrder]] = defaultdict(list)
        for key in keys:
            if order := self._orders.get(key):
                by_object[order.payload_name].append(order)
        found: dict[str, Traits] = {}
        for name, orders in by_object.items():
            payloads = await asyncio.to_thread(self._read, name, {order.payload_row for order in orders})
            for order in orders:
                found[order.destination_key] = self._traits(order, payloads.get(order.payload_row))
        return found

    def _read(self, name: str, rows: set[int]) -> dict[int, bytes]:
        if self._payloads is None or not name:
            return {}
        try:
            return self._payloads.read_rows(name, rows)
        except (OrderRelayError, ValueError) as error:
            log.warning("payloads in %s cannot be compared with the destination's orders: %s", name, error)
            return {}

    def _traits(self, order: SentOrder, payload: bytes | None) -> Traits:
        traits = self._destination.expected_traits(payload) if payload is not None else Traits()
        return replace(
            traits,
            totals=decimal_total(order.total_minor, order.currency),
            currency=traits.currency or order.currency,
            dated=self._dated.get(order.destination_key, ()),
        )
