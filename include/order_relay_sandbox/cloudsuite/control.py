"""Endpoints for tests: the shop's people and buyers at work, and its clock. CloudSuite has none of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from order_relay_sandbox.cloudsuite import rendering
from order_relay_sandbox.cloudsuite.store import NAME, OrderStore
from order_relay_sandbox.keys import VENDORS


def routes() -> list[web.RouteDef]:
    """All under ``/_cloudsuite/``."""
    return [
        web.post("/_cloudsuite/change", change),
        web.post("/_cloudsuite/clock", clock),
        web.get("/_cloudsuite/order", order),
    ]


async def change(request: web.Request) -> web.Response:
    """``{"order": <id or webshop-reference>, "set": {...}}``: the shop changes an order itself."""
    body = await request.json()
    store = _store(request)
    found = store.named(str(body["order"]))
    if found is None:
        return web.json_response({"error": f"no order {body['order']}"}, status=404)
    store.change(found, body["set"])
    return web.json_response(rendering.detail(store, found))


async def clock(request: web.Request) -> web.Response:
    """``{"advance_s": n}`` puts the shops' clock forward (0 only asks for it)."""
    body = await request.json()
    return web.json_response({"now": _store(request).advance(timedelta(seconds=body["advance_s"])).isoformat()})


async def order(request: web.Request) -> web.Response:
    """``?order=``: everything about one order, dates with their zone."""
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
