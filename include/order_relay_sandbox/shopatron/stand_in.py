"""The OMS's routes: token, importOrder, order search, get order, catalogue search."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.faults import Fault
from order_relay_sandbox.gate import RateLimit, Tokens, basic_matches, bearer
from order_relay_sandbox.shopatron import control, gateway, reading
from order_relay_sandbox.shopatron.checks import MISSING, Problem, problems
from order_relay_sandbox.shopatron.published import published_schema
from order_relay_sandbox.shopatron.store import NAME, Order, OrderBook, total_of
from order_relay_sandbox.shopatron.switches import ShopatronSwitches
from order_relay_sandbox.stand_in import Option, Route, StandIn


class ShopatronVendor(StandIn[ShopatronSwitches]):
    """One account at the OMS."""

    name = NAME
    roles = ("destination",)
    switches_model = ShopatronSwitches
    by_default = True
    roots = ("/api/v2/",)
    options = (
        Option("--api-key", "api_key", "the OMS's API key (default: demo-key)"),
        Option("--secret", "secret", "the OMS's client secret (default: demo-secret)"),
        Option("--manufacturer-id", "manufacturer_ids", "may be repeated (default: 1042)", int, repeated=True),
    )

    def __init__(self, switches: ShopatronSwitches, audit: Audit, seed: int) -> None:
        self.book = OrderBook(audit)
        self._tokens = Tokens()
        self._rate = RateLimit()
        super().__init__(switches, audit, seed)

    @classmethod
    def routes(cls) -> list[Route]:
        """The vendor's paths."""
        return [
            Route("POST", "/oauthserver/oauth2/token", "token"),
            Route("POST", "/api/v2/importOrder/", "import", "import_order"),
            Route("GET", "/api/v2/order/", "search"),
            Route("GET", "/api/v2/order/{id}", "detail", "get_order"),
            Route("GET", "/api/v2/shipment/", "shipments"),
            Route("GET", "/api/v2/catalog/", "catalog"),
            Route("GET", "/api/v2/schema/{name}", "schema"),
        ]

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection for the first manufacturer."""
        token_url, manufacturer_id = f"{url}/oauthserver/oauth2/token", self.switches.manufacturer_ids[0]
        extra = {"token_url": token_url, "manufacturer_id": manufacturer_id, "catalog_id": 0}
        credentials = {"login": self.switches.api_key, "password": self.switches.secret}
        return {"host": f"{url}/api/v2", **credentials, "extra": extra}

    def control_routes(self) -> list[web.RouteDef]:
        """What becomes of orders, as tests want it."""
        return control.routes()

    def bodies(self, external_id: str) -> list[bytes]:
        """The import bodies stored under an external id, byte for byte."""
        return [order.body for order in self.book.with_external(external_id)]

    def land(self) -> int:
        """Also make all rows visible to searches."""
        landed = super().land()
        self.book.show_all()
        return landed

    def refusal(self, refused: web.HTTPException) -> web.Response:
        """An error of the OMS for an unknown path or method."""
        return gateway.unknown(refused.status)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Issue a bearer token for API key and secret."""
        form = await request.post()
        return await self.serve(request, "token", lambda: self._issue(request, form))

    def _issue(self, request: web.Request, form: Mapping[str, Any]) -> web.Response:
        header = request.headers.get("Authorization", "")
        if not basic_matches(header, self.switches.api_key, self.switches.secret):
            self.audit.login_failures[NAME] += 1
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        return web.json_response(self._tokens.issue(self.switches.token_lifetime_s, self.switches.token_calls, "oms"))

    async def import_order(self, request: web.Request) -> web.StreamResponse:
        """POST importOrder: validate, store and respond, or fail as the scenario specifies."""
        raw = await request.read()
        refused = self._admit(request)
        if refused is not None:
            return refused
        body = _parsed(raw)
        key = _key(body)
        self.audit.posted(key)
        rule = self.rules.pick("import", key)
        if rule is not None and rule.prevents:
            return await self.give(request, rule, self._success(None))
        wrong = self._refusal(body)
        if wrong is not None:
            return wrong
        if rule is not None and rule.effect == "later":
            self.later.add(rule.later_s, lambda: self._take(body, raw))
            return await self.give(request, rule, self._success(None))
        normal = self._take(body, raw)
        return normal if rule is None else await self.give(request, rule, normal)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """GET order/?parameters, page by page."""
        return await self._read(request, "search", lambda: reading.search(request, self.book, self.switches))

    async def get_order(self, request: web.Request) -> web.StreamResponse:
        """GET order/{id}."""
        number = request.match_info["id"]
        order = self.book.named(number)
        return await self._read(
            request,
            "order",
            lambda: reading.get_order(number, self.book, self.switches),
            order.external_id if order else "",
        )

    async def shipments(self, request: web.Request) -> web.StreamResponse:
        """GET shipment/?orderID=."""
        return await self._read(request, "shipments", lambda: reading.shipments(request, self.book, self.switches))

    async def catalog(self, request: web.Request) -> web.StreamResponse:
        """GET catalog/: a cheap way to check key and manufacturer."""
        return await self._read(request, "catalog", lambda: reading.catalog(request, self.switches))

    async def schema(self, request: web.Request) -> web.StreamResponse:
        """GET schema/{name}."""
        name = request.match_info["name"]
        return await self._read(request, "schema", lambda: published_schema(name, self.switches))

    async def _read(self, request: web.Request, at: str, answer: Any, key: str = "") -> web.StreamResponse:
        refused = self._admit(request)
        if refused is not None:
            return refused
        rule = self.rules.pick(at, key)
        normal: web.Response = answer()
        return normal if rule is None else await self.give(request, rule, normal)

    def bare(self, status: int) -> web.Response:
        """The gateway's or the OMS's error of this status."""
        return gateway.bare(status)

    async def order_of(self, request: web.Request) -> str:
        """The external id in an import body."""
        return _key(_parsed(await request.read()))

    def _refusal(self, body: Any) -> web.Response | None:
        if body is None:
            return gateway.oms_error(5003, "the body is not JSON")
        found = problems(body, self.switches)
        if found:
            code = MISSING if any(p.code == MISSING for p in found) else found[0].code
            return gateway.oms_error(
                code, _words(found), errors=[{"code": p.code, "field": p.field, "message": p.text} for p in found]
            )
        if self.switches.check_manufacturer and body["manufacturerID"] not in self.switches.manufacturer_ids:
            return gateway.oms_error(5004, "the token is not allowed to act for this manufacturer")
        return None

    def _take(self, body: Mapping[str, Any], raw: bytes) -> web.Response:
        """Store the order; for a known external id, respond as the ``duplicates`` switch specifies."""
        known = self.book.with_external(body["externalOrderID"])
        if known and self.switches.duplicates == "return_existing":
            return self._success(known[0])
        if known and self.switches.duplicates == "reject":
            return gateway.oms_error(
                5015,
                "externalOrderID is in use",
                http=self.switches.duplicate_http,
                additionalInfo=f"An order with this externalOrderID exists: {known[0].order_id}",
            )
        visible_at = asyncio.get_running_loop().time() + self.switches.visible_after_s
        order = self.book.new(
            body,
            raw if self.switches.keep_bodies else b"",
            total_of(body, self.switches),
            visible_at,
            own_id=self.switches.honour_order_id,
        )
        return self._success(self.book.store(order))

    def _success(self, order: Order | None) -> web.Response:
        content: dict[str, Any] = {"orderStatus": "READY"}
        if order is not None:
            content = reading.detail(order, self.switches)
            if self.switches.success_body != "order":
                content = {"orderID": order.order_id}
            if self.switches.success_body == "id_and_error":
                content |= {"success": False, "error": "one item was dropped"}
        return web.json_response(content, status=self.switches.success_http)

    async def give(self, request: web.Request, fault: Fault, normal: web.Response) -> web.StreamResponse:
        """The OMS's own faulty responses, and those common to all vendors."""
        if fault.answer.startswith("throttle_"):
            return gateway.throttled(fault.answer, fault.retry_after_s)
        if fault.answer == "bad_key":
            return gateway.mashery(403, "ERR_403_DEVELOPER_INACTIVE", "Developer Inactive")
        return await super().give(request, fault, normal)

    def _admit(self, request: web.Request) -> web.Response | None:
        """Check rate limit, API key and token. Returns a response if the request is refused."""
        if request.headers.get("API-Key", "") != self.switches.api_key:
            self.audit.login_failures[NAME] += 1
            return gateway.mashery(403, "ERR_403_DEVELOPER_INACTIVE", "Developer Inactive")
        if not self._rate.admits(self.switches.requests_per_s):
            return gateway.throttled(self.switches.over_rate_answer, 1.0)
        if not self._tokens.use(bearer(request.headers.get("Authorization", ""))):
            return gateway.bare(self.switches.expired_http)
        return None


def _parsed(raw: bytes) -> Any:
    """The body with exact numbers; ``None`` if it is not JSON (such as NaN)."""
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _key(body: Any) -> str:
    key = body.get("externalOrderID") if isinstance(body, Mapping) else None
    return key if isinstance(key, str) else ""


def _words(found: list[Problem]) -> str:
    return "; ".join(f"{p.field} {p.text}" for p in found[:5])


STAND_IN = ShopatronVendor
