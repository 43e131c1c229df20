"""Test endpoints, which the real OMS does not have: what becomes of an order, and notifications."""

from __future__ import annotations

from aiohttp import web

from order_relay_sandbox.shopatron import fulfilment, notifications
from order_relay_sandbox.shopatron.store import NAME, OrderBook
from order_relay_sandbox.stand_in import VENDORS


def routes() -> list[web.RouteDef]:
    """Routes under ``/_shopatron/``."""
    return [web.post("/_shopatron/change", change), web.post("/_shopatron/notify", notify)]


async def change(request: web.Request) -> web.Response:
    """Change an order: ``{"order": <either id>, ...}`` with the members of ``fulfilment.change``."""
    wish = await request.json()
    book: OrderBook = request.app[VENDORS][NAME].book
    found = book.named(str(wish["order"]))
    if found is None:
        return web.json_response({"error": f"no order {wish['order']}"}, status=404)
    fulfilment.change(found, wish)
    return web.json_response({"orderID": found.order_id, "orderStatus": found.status})


async def notify(request: web.Request) -> web.Response:
    """Send a notification about an order: ``{"order": <either id>, "url": ..., "headers": {...}}``."""
    wish = await request.json()
    vendor = request.app[VENDORS][NAME]
    found = vendor.book.named(str(wish["order"]))
    if found is None:
        return web.json_response({"error": f"no order {wish['order']}"}, status=404)
    copies = 1 + vendor.switches.notification_duplicates
    statuses = await notifications.send(
        wish["url"], wish.get("headers", {}), notifications.event(found, wish.get("previous", "READY")), copies
    )
    return web.json_response({"statuses": statuses})
