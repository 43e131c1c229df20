"""Notifications about orders, as the OMS posts them. The members are documented, the authentication is invented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from order_relay_sandbox.shopatron.store import Order


def event(order: Order, previous: str) -> dict[str, Any]:
    """An order-status event."""
    return {
        "orderID": order.order_id,
        "externalOrderID": order.external_id,
        "previousOrderStatus": previous,
        "orderStatus": order.status,
        "shipments": [{"shipmentID": parcel.shipment_id} for parcel in order.shipments],
    }


async def send(url: str, headers: dict[str, str], body: dict[str, Any], copies: int) -> list[int]:
    """Post an event, with its duplicates; returns the HTTP status of each answer."""
    statuses = []
    async with aiohttp.ClientSession() as client:
        for _ in range(copies):
            async with client.post(url, json=body, headers=headers) as response:
                statuses.append(response.status)
    return statuses
