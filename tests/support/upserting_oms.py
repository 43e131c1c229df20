"""A small destination that creates or updates orders by key, and its declaration: Basic authentication, one search.

``search_headers``: of an answer to a search; one that asks for a pause is refused with 429.

``behaviour`` says what becomes of the attempts for a key, the last word repeated: ``ok``, ``lost`` (stored, the answer
is cut off), ``cut`` (not stored), ``refused`` (400), ``throttled`` (429), ``locked`` (400: the order exists).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import web

from order_relay.connections import HttpOptions
from order_relay.http.auth.credentials import basic_auth, basic_value
from order_relay.http.sending.outcomes import OutcomeTable, reply_reader
from order_relay.http.sending.search import NO_SEARCH, OrderSearch, PageParameters, order_reader
from order_relay.http.sending.session import DestinationApi, HttpDestination

LOGIN, PASSWORD = "key-1", "hush-1"


class UpsertingOms:
    """``orders`` by key, as last written; ``ids`` of stored orders; ``attempts`` and ``writes`` count by key."""

    def __init__(self) -> None:
        self.url = ""
        self.orders: dict[str, bytes] = {}
        self.ids: dict[str, int] = {}
        self.behaviour: dict[str, list[str]] = {}
        self.attempts: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.searches = 0
        self.search_headers: dict[str, str] = {}
        self._next_id = itertools.count(5001)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/orders/createorder", self._import)
        app.router.add_put("/api/orders/by-key/{key}", self._import)
        app.router.add_get("/api/orders", self._search)
        return app

    async def _import(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != basic_value(LOGIN, PASSWORD):
            return web.json_response({"Message": "not authorized"}, status=401)
        body = await request.read()
        key = request.match_info.get("key") or json.loads(body)["orderKey"]
        words = self.behaviour.get(key, ["ok"])
        word = words[min(self.attempts[key], len(words) - 1)]
        self.attempts[key] += 1
        if word == "throttled":
            return web.json_response({}, status=429, headers={"X-Rate-Limit-Reset": "0"})
        if word in ("refused", "locked"):
            text = "the order is shipped and exists already" if word == "locked" else "not valid"
            return web.json_response({"Message": text}, status=400)
        if word != "cut":
            self.orders[key] = body
            self.ids.setdefault(key, next(self._next_id))
            self.writes[key] += 1
        if word != "ok":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.json_response({"orderId": self.ids[key], "orderKey": key})

    async def _search(self, request: web.Request) -> web.Response:
        self.searches += 1
        if "Retry-After" in self.search_headers:
            return web.json_response({}, status=429, headers=self.search_headers)
        number = request.query.get("orderNumber", "")
        rows = [{"orderId": self.ids[key], "orderKey": key} for key in self.orders if key.startswith(number)]
        size, page = int(request.query["pageSize"]), int(request.query["page"])
        return web.json_response(
            {"orders": rows[(page - 1) * size : page * size], "total": len(rows), "page": page},
            headers=self.search_headers,
        )


@dataclass(frozen=True)
class Account:
    """The settings of an account at the stand-in."""

    base_url: str
    account: str = "upserting:test"
    timeout_s: float = 5.0
    connections: int = 4
    requests_per_s: float = 0.0
    search_by: str = "auto"
    visible_after_s: float = 0.0
    trust_env: bool = False
    http: HttpOptions = field(default_factory=HttpOptions)


SEARCH = OrderSearch(
    path="orders",
    rows="orders",
    read_order=order_reader("orderId", "orderKey"),
    by_key=lambda keys: {"orderNumber": keys[0]},
    keys_per_search=1,
    matches_prefix=True,
    pages=PageParameters(size="pageSize"),
)


def upserting_api(**changes: Any) -> DestinationApi:
    """The declaration, without a search by default."""
    declared: dict[str, Any] = {
        "name": "the stand-in",
        "import_path": "orders/createorder",
        "credentials": basic_auth(LOGIN, PASSWORD),
        "outcomes": OutcomeTable(
            read_success=reply_reader("orderId", "orderKey"), pause_headers=("Retry-After", "X-Rate-Limit-Reset")
        ),
        "idempotent": True,
        "search": NO_SEARCH,
    }
    return DestinationApi(**{**declared, **changes})


def upserting_destination(
    oms: UpsertingOms, api: DestinationApi | None = None, **settings: Any
) -> HttpDestination[Account]:
    """The stand-in as a destination."""
    return HttpDestination(api or upserting_api(), Account(f"{oms.url}/api", **settings), cast(Any, None))


@contextmanager
def upserting_oms() -> Iterator[UpsertingOms]:
    """One on a free port, in a thread."""
    oms = UpsertingOms()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(oms.app())

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        oms.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield oms
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
