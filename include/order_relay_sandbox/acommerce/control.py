"""Endpoints for tests: what happens at the warehouse, and delivering webhooks. aCommerce has none of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from order_relay_sandbox.acommerce.vendor import NAME, AcommerceVendor
from order_relay_sandbox.keys import VENDORS


def routes() -> list[web.RouteDef]:
    """All under ``/_acommerce/``."""
    return [
        web.post("/_acommerce/happen", happen),
        web.post("/_acommerce/generate", generate),
        web.post("/_acommerce/deliver", deliver),
        web.get("/_acommerce/orders", orders),
    ]


async def happen(request: web.Request) -> web.Response:
    """A list of changes: ``{"add": {"order_id", "level", "status", "parcel"}}``, ``{"correct": id, "set": {...}}``,
    ``{"delete": id}``, ``{"announce": {"order_id", "parcel"}}``; answers the ids of the events.
    """
    store = _vendor(request).store
    told = []
    for change in await request.json():
        if "add" in change:
            told.append(store.add(**change["add"]).event_id)
        elif "correct" in change:
            told.append(store.correct(change["correct"], **change["set"]).event_id)
        elif "delete" in change:
            store.delete(change["delete"])
            told.append(change["delete"])
        else:
            store.announce(**change["announce"])
    return web.json_response(told)


async def generate(request: web.Request) -> web.Response:
    """``{"orders": n, "seed": n}``: so many orders with histories."""
    body = await request.json()
    _vendor(request).generate(int(body["orders"]), int(body.get("seed", 0)))
    return web.json_response(_vendor(request).report())


async def deliver(request: web.Request) -> web.Response:
    """Sends what waits to the registered webhooks."""
    vendor = _vendor(request)
    told: dict[str, Any] = await vendor.hooks.deliver(vendor.switches)
    return web.json_response(told)


async def orders(request: web.Request) -> web.Response:
    """Every order as the vendor shows it now."""
    store = _vendor(request).store
    return web.json_response([store.record(order) for order in store.orders.values()])


def _vendor(request: web.Request) -> AcommerceVendor:
    vendor: AcommerceVendor = request.app[VENDORS][NAME]
    return vendor
