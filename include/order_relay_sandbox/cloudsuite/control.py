"""Test endpoints, which the real CloudSuite does not have: changes by the shop and its buyers, and its clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from order_relay_sandbox.cloudsuite import rendering
from order_relay_sandbox.cloudsuite.store import NAME, OrderStore
from order_relay_sandbox.stand_in import VENDORS


def routes() -> list[web.RouteDef]:
    """Routes under ``/_cloudsuite/``."""
    return [
        web.post("/_cloudsuite/change", change),
        web.post("/_cloudsuite/clock", clock),
        web.get("/_cloudsuite/order", order),
    ]


async def change(request: web.Request) -> web.Response:
    """Change an order as the shop would: ``{"order": <id or webshop-reference>, "set": {...}}``."""
    body = await request.json()
    store = _store(request)
    found = store.named(str(body["order"]))
    if found is None:
        return web.json_response({"error": f"no order {body['order']}"}, status=404)
    store.change(found, body["set"])
    return web.json_response(rendering.detail(store, found))


async def clock(request: web.Request) -> web.Response:
    """Advance the shops' clock by ``{"advance_s": n}`` and respond with its time."""
    body = await request.json()
    return web.json_response({"now": _store(request).advance(timedelta(seconds=body["advance_s"])).isoformat()})


async def order(request: web.Request) -> web.Response:
    """One order (``?order=``) in full, with time zones in its dates."""
    store = _store(request)
    found = store.named(request.query.get("order", ""))
    if found is None:
        return web.json_response({"error": "no such order"}, status=404)
    about: dict[str, Any] = {
        "kind": found.kind,
        "offline": found.offline,
        "created": found.created.isoformat(),
        "modified": found.modified.isoformat(),
        "confirmed": None if found.confirmed is None else found.confirmed.isoformat(),
        "detail": rendering.detail(store, found),
    }
    return web.json_response(about)


def _store(request: web.Request) -> OrderStore:
    store: OrderStore = request.app[VENDORS][NAME].store
    return store
