"""CloudSuite's routes: token, orders, addresses, delivery messages, status texts."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from aiohttp import web

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.cloudsuite import control, delivery, errors, feedback, generator, reading, rendering, writing
from order_relay_sandbox.cloudsuite.errors import Refused
from order_relay_sandbox.cloudsuite.store import CANCEL, NAME, Order, OrderStore, number_of
from order_relay_sandbox.cloudsuite.switches import LIST_ANSWERS, CloudSuiteSwitches
from order_relay_sandbox.gate import RateLimit, Tokens, bearer
from order_relay_sandbox.stand_in import Option, RawOrder, Route, StandIn

_ROUTES = (
    Route("GET", "/api/order/", "list", "list_orders"),
    Route("POST", "/api/order/", "create", "post"),
    Route("GET", "/api/order/{id}/", "detail"),
    Route("PATCH", "/api/order/{id}/", "acknowledge", "patch"),
    Route("PUT", "/api/order/{id}/", "write_back", "put"),
    Route("GET", "/api/address/{id}/", "address"),
    Route("POST", "/proxy/des_adv_xml/delivery/", "delivery"),
    Route("POST", "/proxy/v1/orderstatus/", "status"),
)


class CloudSuiteVendor(StandIn[CloudSuiteSwitches]):
    """One account at CloudSuite, with several web shops."""

    name = NAME
    roles = ("source",)
    switches_model = CloudSuiteSwitches
    roots = ("/api/", "/proxy/")
    options = (
        Option("--client-id", "client_id", "CloudSuite's client id (default: demo-client)"),
        Option("--client-secret", "client_secret", "CloudSuite's client secret (default: demo-client-secret)"),
    )

    def __init__(self, switches: CloudSuiteSwitches, audit: Audit, seed: int) -> None:
        self.store = OrderStore(switches, audit, seed)
        self._tokens = Tokens()
        self._rate = RateLimit()
        super().__init__(switches, audit, seed)

    def switch(self, switches: CloudSuiteSwitches) -> None:
        """Apply other switches and reset the counters of fault rules. The shops' clock is kept."""
        super().switch(switches)
        self.store.switches = switches
        self._leaving, self._arriving = switches.leaving_while_paging, switches.arriving_while_paging
        self._cancelled_read, self._cancelled_taken = (
            switches.cancelled_after_reading,
            switches.cancelled_after_take_over,
        )

    def generate(self, count: int, seed: int) -> None:
        """Add generated orders to the shops, not all of them offered."""
        self.store.generate(count, seed)

    def plain(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Generated orders of the kind ``plain``, with their addresses; amounts are JSON numbers."""
        made = (made for made in generator.orders(3 * count + 20, seed) if made.kind == "plain")
        return [generator.whole(one) for one in islice(made, count)]

    def dated(self, order: Mapping[str, Any], time: datetime) -> dict[str, Any]:
        """The same order, confirmed at this time."""
        return {**order, "confirm_date": time.isoformat()}

    def offer(self, orders: Iterable[RawOrder], kind: str) -> int:
        """Add orders, confirmed now by default; one with a known id replaces that order."""
        return len([self.store.offer(order, kind) for order in orders])

    @classmethod
    def routes(cls) -> list[Route]:
        """The vendor's paths, each also without its final slash."""
        token = "/realms/{realm}/protocol/openid-connect/token"  # noqa: S105 (a path)
        slashless = [route._replace(path=route.path.removesuffix("/")) for route in _ROUTES]
        return [Route("POST", token, "token"), *_ROUTES, *slashless]

    def control_routes(self) -> list[web.RouteDef]:
        """Changes by the shop and its buyers, and its clock."""
        return control.routes()

    def connection(self, url: str) -> dict[str, Any]:
        """The Airflow connection to this account."""
        token_url = f"{url}/realms/{self.switches.realm}/protocol/openid-connect/token"
        credentials = {"login": self.switches.client_id, "password": self.switches.client_secret}
        return {"host": url, **credentials, "extra": {"token_url": token_url}}

    def refusal(self, refused: web.HTTPException) -> web.Response:
        """CloudSuite's error for an unknown path or method."""
        return errors.detail(refused.status)

    def report(self) -> dict[str, Any]:
        """CloudSuite's part of the audit."""
        return feedback.report(self.store, self.audit)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Issue a bearer token for the client id and secret in the form."""
        form = await request.post()

        def issue() -> web.Response:
            if request.match_info["realm"] != self.switches.realm:
                return web.json_response({"error": "Realm does not exist"}, status=404)
            if not self._known_client(str(form.get("client_id", "")), str(form.get("client_secret", ""))):
                self.audit.login_failures[NAME] += 1
                return _oauth_error(401, "invalid_client", "Invalid client or Invalid client credentials")
            if form.get("grant_type") != "client_credentials":
                return _oauth_error(400, "unsupported_grant_type", "Unsupported grant_type")
            if self.switches.scope_required and "openid" not in str(form.get("scope", "")).split():
                return _oauth_error(400, "invalid_scope", "Invalid scopes")
            issued = self._tokens.issue(self.switches.token_lifetime_s, self.switches.token_calls, "openid")
            return web.json_response(issued)

        return await self.serve(request, "token", issue)

    async def list_orders(self, request: web.Request) -> web.StreamResponse:
        """GET: summaries, page by page."""
        return self._refusal(request) or await self._list(request)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        rule = self.rules.pick("list")
        try:
            envelope, orders = reading.page(request, self.store)
        except Refused as refused:
            return refused.answer()
        if envelope["next"] is not None:
            self._shift(orders)
        if rule is not None and rule.answer in LIST_ANSWERS:
            return reading.spoiled(envelope, rule.answer)
        normal = web.json_response(envelope)
        return normal if rule is None else await self.give(request, rule, normal)

    def _shift(self, orders: list[Order]) -> None:
        """Between two pages, remove an order from the list or add one, depending on the switches."""
        if self._leaving:
            self._leaving -= 1
            self.store.change(orders[0], {"state": CANCEL})
        if self._arriving:
            self._arriving -= 1
            self.store.arrive()

    async def detail(self, request: web.Request) -> web.StreamResponse:
        """GET of one order, by id or by ``ext:<key>``."""

        def show(order: Order) -> web.Response:
            answer = self._shown(order)
            if self._cancelled_read and order.document["state"] == "confirmed":
                self._cancelled_read -= 1
                self.store.change(order, {"state": CANCEL})
            return answer

        return await self._with_order(request, "detail", show)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """PATCH: changed members only."""
        raw = await request.read()

        def change(order: Order) -> web.Response:
            before = order.document["state"]
            writing.patch(self.store, order, writing.parsed(raw))
            answer = self._written(order)
            if self._cancelled_taken and before == "confirmed" and order.document["state"] == "processing":
                self._cancelled_taken -= 1
                self.store.change(order, {"state": CANCEL})
            return answer

        return await self._with_order(request, "patch", change)

    async def put(self, request: web.Request) -> web.StreamResponse:
        """PUT: the whole order, which is created if it does not exist."""
        raw = await request.read()
        word = request.match_info["id"]

        def replace(order: Order) -> web.Response:
            writing.put(self.store, order, writing.parsed(raw))
            return self._written(order)

        def create() -> web.Response:
            body = writing.parsed(raw)
            if word.startswith("ext:"):
                return self._written(writing.post(self.store, body | {"key": word[4:]}), 201)
            return self._written(writing.post(self.store, body, number_of(word)), 201)

        new = self.store.find(word) is None and (word.startswith("ext:") or number_of(word) >= 0)
        return await self._serve_api(request, "put", create) if new else await self._with_order(request, "put", replace)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """POST: a new offline order; one that exists is an error."""
        raw = await request.read()
        return await self._serve_api(
            request, "post", lambda: self._written(writing.post(self.store, writing.parsed(raw)), 201)
        )

    async def address(self, request: web.Request) -> web.StreamResponse:
        """GET of one address by its id (assumed: no page shows this route)."""

        def show() -> web.Response:
            known = self.store.addresses.get(number_of(request.match_info["id"]))
            return errors.detail(404) if known is None else web.json_response(known)

        return await self._serve_api(request, "address", show)

    async def delivery(self, request: web.Request) -> web.StreamResponse:
        """POST of a delivery message (DESADV); each number is accepted once."""
        raw = await request.read()

        def take() -> web.Response:
            delivery.required(request.query, ("shop", "user"))
            content = delivery.parsed(raw, request.content_type, self.switches.desadv)
            message = delivery.checked(self.store, content, request.query["shop"])
            delivery.deliver(self.store, message)
            return web.json_response({"DesadvNumber": message.number, "status": "accepted"})

        return await self._serve_api(request, "delivery", take)

    async def status(self, request: web.Request) -> web.StreamResponse:
        """POST of a text for the buyer's timeline; does not change the order's state."""
        raw = await request.read()

        def note() -> web.Response:
            delivery.required(request.query, ("shop",))
            delivery.order_of_status(self.store, writing.parsed(raw), request.query["shop"]).statuses += 1
            return web.json_response({"status": "accepted"})

        return await self._serve_api(request, "status", note)

    def _shown(self, order: Order) -> web.Response:
        if order.raw is not None:
            return web.Response(body=order.raw, content_type="application/json")
        return web.json_response(rendering.detail(self.store, order))

    def _written(self, order: Order, status: int = 200) -> web.Response:
        if self.switches.write_reply == "empty":
            return web.Response(status=status, content_type="application/json")
        return web.json_response(rendering.detail(self.store, order), status=status)

    async def _with_order(
        self, request: web.Request, at: str, work: Callable[[Order], web.Response]
    ) -> web.StreamResponse:
        self.store.catch_up()
        order = self.store.find(request.match_info["id"])
        if order is None:
            return await self._serve_api(request, at, lambda: errors.detail(404))
        return await self._serve_api(request, at, lambda: work(order), order.external_id)

    async def _serve_api(
        self, request: web.Request, at: str, work: Callable[[], web.Response], key: str = ""
    ) -> web.StreamResponse:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        return await self.serve(request, at, work, key)

    async def serve(
        self, request: web.Request, place: str, work: Callable[[], web.Response], key: str = ""
    ) -> web.StreamResponse:
        """See the base class; refusals become responses."""
        try:
            return await super().serve(request, place, work, key)
        except Refused as refused:
            return refused.answer()

    def bare(self, status: int) -> web.Response:
        """CloudSuite's assumed error of this status."""
        return errors.bare(status)

    async def order_of(self, request: web.Request) -> str:
        """Web shop and reference."""
        order = self.store.find(request.match_info.get("id", ""))
        return "" if order is None else order.external_id

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Check final slash, rate limit and token. Returns a response if the request is refused."""
        self.store.catch_up()
        if not request.path.endswith("/") and self.switches.without_slash != "answer":
            return self._slashless(request)
        if not self._rate.admits(self.switches.requests_per_s):
            return errors.throttled(1.0)
        if not self._authorized(request.headers.get("Authorization", "")):
            self.audit.login_failures[NAME] += 1
            return errors.detail(401)
        return None

    def _slashless(self, request: web.Request) -> web.Response:
        if self.switches.without_slash == "not_found":
            return errors.detail(404)
        there = request.rel_url.with_path(request.path + "/", keep_query=True)
        return web.Response(status=301, headers={"Location": str(there)})

    def _authorized(self, header: str) -> bool:
        kind, _, token = header.partition(" ")
        if kind.lower() == "token" and self.switches.static_token:
            return hmac.compare_digest(token.strip().encode(), self.switches.static_token.encode())
        return self._tokens.use(bearer(header))

    def _known_client(self, client_id: str, secret: str) -> bool:
        given, known = f"{client_id}:{secret}", f"{self.switches.client_id}:{self.switches.client_secret}"
        return hmac.compare_digest(given.encode(), known.encode())


def _oauth_error(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)


STAND_IN = CloudSuiteVendor
