"""Test endpoints, which the real aCommerce does not have: warehouse events and delivery of webhooks."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from order_relay_sandbox.acommerce.store import NAME
from order_relay_sandbox.stand_in import VENDORS


def routes() -> list[web.RouteDef]:
    """Routes under ``/_acommerce/``."""
    return [
        web.post("/_acommerce/happen", happen),
        web.post("/_acommerce/generate", generate),
        web.post("/_acommerce/deliver", deliver),
        web.get("/_acommerce/orders", orders),
    ]


async def happen(request: web.Request) -> web.Response:
    """Apply changes: ``{"add": {"order_id", "level", "status", "parcel"}}``, ``{"correct": id, "set": {...}}``,
    ``{"delete": id}``, ``{"announce": {"order_id", "parcel"}}``. Responds with the ids of the events.
    """
    store = _vendor(request).store
    changed = []
    for change in await request.json():
        if "add" in change:
            changed.append(store.add(**change["add"]).event_id)
        elif "correct" in change:
            changed.append(store.correct(change["correct"], **change["set"]).event_id)
        elif "delete" in change:
            store.delete(change["delete"])
            changed.append(change["delete"])
        else:
            store.announce(**change["announce"])
    return web.json_response(changed)


async def generate(request: web.Request) -> web.Response:
    """Generate orders with histories from ``{"orders": n, "seed": n}``."""
    body = await request.json()
    _vendor(request).generate(int(body["orders"]), int(body.get("seed", 0)))
    return web.json_response(_vendor(request).report())


async def deliver(request: web.Request) -> web.Response:
    """Deliver queued events to the registered webhooks."""
    vendor = _vendor(request)
    statuses: dict[str, Any] = await vendor.hooks.deliver(vendor.switches)
    return web.json_response(statuses)


async def orders(request: web.Request) -> web.Response:
    """Every order as the vendor currently shows it."""
    store = _vendor(request).store
    return web.json_response([store.record(order) for order in store.orders.values()])


def _vendor(request: web.Request) -> Any:
    return request.app[VENDORS][NAME]
